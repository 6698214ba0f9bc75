#include "far/blocks/block_mean_entries.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();
// Rows with fewer panels of entries than this are served one by one.
constexpr std::int64_t kFewPanels = 2;

}  // namespace

BlockMeanEntries::BlockMeanEntries(const BlockMeanModel& model)
    : model_(model),
      sums_(model),
      stride_(round_up(model.size(), 32) + 16),
      run_{0, model.size()},
      weights_(FarField::kRows * stride_) {}

std::vector<Range> BlockMeanEntries::whole_ranges(const IndexList& keys) const {
  std::vector<Range> ranges;
  const KeyBlocks& blocks = model_.blocks();
  for (std::int64_t begin = 0; keys.sorted() && begin < keys.count;) {
    const std::int64_t b = blocks.block_of(keys[begin]);
    const Range held = blocks.positions(b);
    const std::int64_t last = begin + (held.end - held.begin) - 1;
    if (keys[begin] != held.begin || last >= keys.count || keys[last] != held.end - 1) return {};
    if (ranges.empty() || ranges.back().end != b) ranges.push_back({b, b});
    ranges.back().end = b + 1;
    begin = last + 1;
  }
  return ranges;
}

// A row that has a block as a pseudo key sees all of it: nothing of the run is hidden from it.
bool BlockMeanEntries::subtract_run(RowBlock& rows, const KeyRun& run) {
  const std::vector<Range> ranges = whole_ranges(run.keys);
  const std::int64_t begin = run.rows.begin, count = run.rows.end - begin;
  for (const Range& blocks : ranges)
    sums_.add(rows.query(begin), rows.rows().slice(begin, count), blocks, -1,
              rows.partial().slice(begin, count));
  return !ranges.empty();
}

void BlockMeanEntries::open_run(const IndexList& keys) {
  const KeyBlocks& blocks = model_.blocks();
  run_ = {0, model_.size()};
  if (keys.sorted() && keys.count > 0)
    run_ = {blocks.block_of(keys[0]), blocks.block_of(keys[keys.count - 1]) + 1};
}

void BlockMeanEntries::load_rows(const RowBlock& rows, const Range& part, float* m) {
  const std::int64_t count = part.end - part.begin;
  first_row_ = part.begin;
  blocks_.clear();
  for (std::int64_t r = part.begin; r < part.end; ++r)
    blocks_.push_back(model_.blocks_of(rows.rows()[r]));
  const Range columns = BlockMeanModel::columns_for(run_);
  model_.score(
      rows.query(part.begin), count, columns,
      [this](std::int64_t r) { return blocks_[static_cast<std::size_t>(r)]; },
      weights_.data() + columns.begin, stride_);
  for (std::int64_t r = 0; r < count; ++r) {
    float* row = weights_.data() + r * stride_ + columns.begin;
    const std::int64_t size = columns.end - columns.begin;
    m[r] = size > 0 ? *std::max_element(row, row + size) : kAbsent;
    if (m[r] != kAbsent)
      kernels::exp2_rows(row, stride_, 1, size, m + r);
    else
      std::fill_n(row, size, 0.0f);
  }
}

std::int32_t BlockMeanEntries::block_of(std::int64_t key, const Range& blocks) const {
  const std::int32_t b = model_.block_of(key);
  return b >= blocks.begin && b < blocks.end ? b : -1;
}

void BlockMeanEntries::weigh(const MarkedEntries& entries, std::int64_t, float* weights) {
  const bool by_block = entries.keys.contiguous() && !model_.has_mask();
  for (std::int64_t r = entries.rows.begin; r < entries.rows.end; ++r) {
    const std::int64_t at = (r - entries.rows.begin) * entries.stride;
    const RowOfMarks row{entries.marks + at, weights + at};
    by_block ? weigh_blocks(r - first_row_, entries.keys, row)
             : weigh_keys(r - first_row_, entries.keys, row);
  }
}

void BlockMeanEntries::weigh_keys(std::int64_t i, const IndexList& keys, const RowOfMarks& row) {
  const Range& blocks = blocks_[static_cast<std::size_t>(i)];
  const float* weight = weights_.data() + i * stride_;
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const std::int32_t b = row.marks[k] == 0.0f ? block_of(keys[k], blocks) : -1;
    row.weights[k] = b >= 0 ? weight[b] : -0.0f;
  }
}

// A run of keys, all of them members of their blocks where these are usable.
void BlockMeanEntries::weigh_blocks(std::int64_t i, const IndexList& keys, const RowOfMarks& row) {
  const Range& blocks = blocks_[static_cast<std::size_t>(i)];
  const KeyBlocks& all = model_.blocks();
  for (std::int64_t begin = 0, end = 0; begin < keys.count; begin = end) {
    const std::int64_t b = all.block_of(keys[begin]);
    end = std::min(keys.count, all.positions(b).end - keys.first);
    const bool there = b >= blocks.begin && b < blocks.end && all.is_usable(b);
    const float weight = there ? weights_[i * stride_ + b] : -0.0f;
    for (std::int64_t k = begin; k < end; ++k)
      row.weights[k] = row.marks[k] == 0.0f ? weight : -0.0f;
  }
}

std::int64_t BlockMeanEntries::few_entries() const {
  return kFewPanels * kernels::blocking().panel;
}

void BlockMeanEntries::weigh_few(const RowBlock& rows, std::int64_t row, const IndexList& keys,
                                 float log2_factor, float* marks) {
  const float* query = rows.query(row);
  const Range blocks = model_.blocks_of(rows.rows()[row]);
  const std::int64_t dim = model_.head().head_dim();
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const std::int32_t b = marks[k] == 0.0f ? block_of(keys[k], blocks) : -1;
    const float* mean = model_.blocks().means().data() + std::max(b, 0) * dim;
    marks[k] = b >= 0 ? std::inner_product(query, query + dim, mean, log2_factor) : kAbsent;
  }
}

}  // namespace subquad
