#include "far/blocks/block_mean_part.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/round_up.h"
#include "far/blocks/block_mean_backward.h"
#include "far/blocks/block_mean_entries.h"
#include "kernels/gemm.h"
#include "kernels/softmax.h"
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

// Rows that meet blocks, FarField::kRows at a time.
class BlockMeanSums {
 public:
  explicit BlockMeanSums(const BlockMeanModel& model)
      : model_(model),
        stride_(round_up(model.size(), 32) + 16),
        scores_(FarField::kRows * stride_),
        sums_(FarField::kRows, model.width()) {}

  // The blocks join the sums of rows that all have them.
  void add(const float* queries, const Range& blocks, const Partial& sums) {
    if (blocks.empty()) return;
    const std::int64_t dim = model_.head().head_dim();
    for (std::int64_t begin = 0; begin < sums.rows; begin += FarField::kRows)
      add_rows(queries + begin * dim, blocks,
               sums.slice(begin, std::min(FarField::kRows, sums.rows - begin)));
  }

 private:
  void add_rows(const float* queries, const Range& blocks, const Partial& sums) {
    const Range columns = BlockMeanModel::columns_for(blocks);
    const std::int64_t count = columns.end - columns.begin;
    model_.score(
        queries, sums.rows, columns, [&](std::int64_t) { return blocks; }, scores_.data(), stride_);
    const Partial part = sums_.view(sums.rows);
    set_identity(part);
    kernels::softmax_update(scores_.data(), stride_, sums.rows, count,
                            {part.m, part.l, part.o, part.o_stride, part.value_dim});
    kernels::gemm({scores_.data(), stride_, 1}, model_.coefficients_from(columns.begin), sums.rows,
                  model_.width(), count, part.o, part.o_stride, true);
    std::vector<std::uint8_t> lost;
    for (std::int64_t r = 0; r < sums.rows; ++r)
      lost.push_back(part.m[r] == HUGE_VALF || std::isnan(part.l[r]) ? 1 : 0);
    merge_signed(sums, part, 1);
    // Scores that float32 could not hold: the row is computed again exactly.
    for (std::int64_t r = 0; r < sums.rows; ++r)
      if (lost[static_cast<std::size_t>(r)] != 0) sums.l[r] = 0;
  }

  const BlockMeanModel& model_;
  std::int64_t stride_;
  Scratch<float> scores_;
  PartialBuffer sums_;
};

bool is_plain(float entry) {
  return entry == 0.0f || entry == -std::numeric_limits<float>::infinity();
}

}  // namespace

bool has_plain_mask(const HeadProblem& head) {
  const Mask& mask = head.problem->mask;
  if (mask.kind == MaskKind::none) return true;
  if (mask.shape[2] > 1) return false;
  const std::int64_t heads = std::min(head.group, head.num_rows());
  for (std::int64_t g = 0; g < heads; ++g)
    for (std::int64_t key = 0; key < head.num_keys; ++key)
      if (mask.kind == MaskKind::boolean) {
        const auto* first = static_cast<const std::uint8_t*>(head.mask_row(0));
        if ((first[key] != 0) != (static_cast<const std::uint8_t*>(head.mask_row(g))[key] != 0))
          return false;
      } else {
        const float entry = static_cast<const float*>(head.mask_row(g))[key];
        if (!is_plain(entry) || entry != static_cast<const float*>(head.mask_row(0))[key])
          return false;
      }
  return true;
}

BlockMeanPart::BlockMeanPart(const HeadProblem& head, std::int64_t block, int threads)
    : head_(head) {
  if (has_plain_mask(head)) model_ = std::make_unique<BlockMeanModel>(head, block, threads);
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
      if (!blocks.is_usable(b) && blocks.members(b).count > 0)
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
    means.add(rows.query(part.begin), blocks,
              rows.partial().slice(part.begin, part.end - part.begin));
    scratch.panel.count_entries((part.end - part.begin) * (blocks.end - blocks.begin));
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
