#include "far/blocks/block_mean_part.h"

#include <algorithm>
#include <limits>

#include "far/blocks/block_mean_backward.h"
#include "far/blocks/block_mean_entries.h"
#include "far/blocks/block_mean_sums.h"
#include "far/blocks/key_mask.h"
#include "rows/attend_run.h"

namespace subquad {
namespace {

bool is_same_range(const Range& a, const Range& b) { return a.begin == b.begin && a.end == b.end; }

// Calls visit(rows [begin, end) of the list, their blocks) for neighbours that have the same.
template <typename Visit>
void for_same_blocks(const BlockMeanModel& model, const IndexList& rows, const Visit& visit) {
  for (std::int64_t begin = 0, end = 0; begin < rows.count; begin = end) {
    const Range blocks = model.blocks_of(rows[begin]);
    for (end = begin + 1; end < rows.count; ++end)
      if (!is_same_range(model.blocks_of(rows[end]), blocks)) break;
    visit(Range{begin, end}, blocks);
  }
}

void add_run(const Range& rows, std::int64_t begin, std::int64_t end, RunList& runs) {
  if (begin < end) runs.add({.rows = rows, .keys = index_range(begin, end)});
}

}  // namespace

BlockMeanPart::BlockMeanPart(const HeadProblem& head, std::int64_t block, int threads)
    : head_(head) {
  if (has_one_key_mask(head)) model_ = std::make_unique<BlockMeanModel>(head, block, threads);
}

void BlockMeanPart::add_runs(const IndexList& rows, RunList& runs) const {
  const KeyBlocks& blocks = model_->blocks();
  const std::int64_t size = blocks.block_size();
  for_same_blocks(*model_, rows, [&](const Range& part, const Range& whole) {
    const Range first = head_.visible(rows[part.begin]), last = head_.visible(rows[part.end - 1]);
    if (head_.has_band()) {
      const std::int64_t middle = std::min(whole.begin * size, last.end);
      add_run(part, first.begin, middle, runs);
      add_run(part, std::max(first.begin, std::max(middle, whole.end * size)), last.end, runs);
    }
    for (std::int64_t b = whole.begin; b < whole.end; ++b)
      if (!blocks.is_usable(b) && blocks.count(b) > 0)
        add_run(part, blocks.positions(b).begin, blocks.positions(b).end, runs);
  });
}

std::unique_ptr<ImpliedEntries> BlockMeanPart::implied() {
  return std::make_unique<BlockMeanEntries>(*model_);
}

void BlockMeanPart::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                                 TileScratch& scratch, const RunList& runs) {
  for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
  BlockMeanSums means(*model_);
  for_same_blocks(*model_, rows.rows(), [&](const Range& part, const Range& blocks) {
    const std::int64_t count = part.end - part.begin;
    means.add(rows.query(part.begin), rows.rows().slice(part.begin, count), blocks, 1,
              rows.partial().slice(part.begin, count));
    scratch.panel.count_entries(count * (blocks.end - blocks.begin));
  });
}

void BlockMeanPart::row_errors(RowBlock& rows, const EntrySets&, TileScratch&, float* error) const {
  std::fill_n(error, rows.rows().count, std::numeric_limits<float>::quiet_NaN());
}

std::unique_ptr<ModelBackward> BlockMeanPart::backward(const BackwardArguments& arguments,
                                                       int) const {
  return std::make_unique<BlockMeanBackward>(*model_, arguments);
}

}  // namespace subquad
