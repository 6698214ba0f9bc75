#include "light/linear/linear_forward.h"

#include <algorithm>
#include <vector>

#include "core/round_up.h"
#include "kernels/backward.h"
#include "kernels/elementwise.h"
#include "kernels/stream.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;       // at a time: their features stay in the first-level cache
constexpr std::int64_t kMostBlock = 12;  // rows of a register block of any instruction set

}  // namespace

LinearForward::LinearForward(const HeadProblem& head, const LinearModel& model, LinearSums& sums)
    : head_(head),
      model_(model),
      sums_(sums),
      layout_(sums.layout()),
      stride_(feature_stride(head.head_dim())) {
  if (head.problem->causal != Causal::none) {
    stride_ += padded_values(chunk_positions(head));
    ones_.assign(static_cast<std::size_t>(padded_values(chunk_positions(head))), 1.0f);
    chunks_.emplace(head, model.map, sums.block_rows());
  }
  rows_ = Scratch<float>(kRows * stride_);
}

std::int64_t LinearForward::sum(const IndexList& rows, const Partial& out) {
  std::fill_n(out.m, out.rows, 0.0f);
  if (chunks_) return sum_spans(rows, out);
  const float* sums = sums_.state(sums_.state_of(rows[0]));
  for (std::int64_t begin = 0; begin < rows.count; begin += kRows) {
    const std::int64_t count = std::min(kRows, rows.count - begin);
    load_rows(rows.slice(begin, count), sums, out.slice(begin, count));
    multiply(0, layout_.head_dim, sums, out.slice(begin, count));
  }
  return 0;
}

std::int64_t LinearForward::sum_spans(const IndexList& rows, const Partial& out) {
  const std::int64_t block = sums_.state_of(rows[0]);
  const std::vector<LinearSpan> spans = sums_.spans(block);
  chunks_->load(spans);
  const float* prefix = sums_.pass_on(block, chunks_->total());
  std::int64_t entries = 0;
  for (std::int64_t chunk = 0; chunk < std::ssize(spans); ++chunk) {
    const Range& part = spans[static_cast<std::size_t>(chunk)].rows;
    chunks_->add_prefix(chunk, prefix);
    for (std::int64_t begin = part.begin; begin < part.end; begin += kRows) {
      const std::int64_t count = std::min(kRows, part.end - begin);
      entries += meet_chunk(rows.slice(begin, count), chunk, out.slice(begin, count));
    }
  }
  return entries;
}

// At most kRows rows: their features, and their weights of the keys that are summed.
void LinearForward::load_rows(const IndexList& rows, const float* sums, const Partial& out) {
  load_query_features(head_, rows, model_, rows_.data(), stride_);
  kernels::stream_scores(sums, 1, dense_rows(rows_.data(), layout_.head_dim, stride_, rows.count),
                         out.l, rows.count);
}

// Rows `first` and on of those loaded, by the sums and the values behind them.
void LinearForward::multiply(std::int64_t first, std::int64_t depth, const float* sums,
                             const Partial& out) {
  kernels::gemm({rows_.data() + first * stride_, stride_, 1}, layout_.matrix(sums), out.rows,
                layout_.value_dim, depth, out.o, out.o_stride, false);
}

std::int64_t LinearForward::meet_chunk(const IndexList& rows, std::int64_t chunk,
                                       const Partial& out) {
  const std::int64_t step = kernels::blocking().rows, first_key = chunks_->keys(chunk).begin;
  std::int64_t entries = 0;
  load_rows(rows, chunks_->before(chunk), out);
  for (std::int64_t begin = 0; begin < rows.count; begin += step) {
    const IndexList part = rows.slice(begin, std::min(step, rows.count - begin));
    const Partial sums = out.slice(begin, part.count);
    const std::int64_t end = head_.visible(part[part.count - 1]).end;
    const std::int64_t columns = std::max<std::int64_t>(end - first_key, 0);
    if (columns > 0) weigh(part, begin, chunk, columns, sums);
    multiply(begin, layout_.head_dim + columns, chunks_->before(chunk), sums);
    for (const std::int64_t key : chunks_->wild(chunk))
      if (key < columns) add_wild_value(chunk, key, begin, sums);
    entries += part.count * columns;
  }
  return entries;
}

// To the rows, `first` and on of those loaded, that see the key.
void LinearForward::add_wild_value(std::int64_t chunk, std::int64_t key, std::int64_t first,
                                   const Partial& out) {
  std::vector<float> value(static_cast<std::size_t>(layout_.value_dim));
  chunks_->load_value(chunk, key, value.data());
  for (std::int64_t r = 0; r < out.rows; ++r) {
    const float weight = weights(first + r)[key];
    if (kernels::is_masked(weight)) continue;
    for (std::int64_t c = 0; c < out.value_dim; ++c)
      out.o[r * out.o_stride + c] += weight * value[static_cast<std::size_t>(c)];
  }
}

// The weights of the chunk's first `columns` keys; hidden ones are -0.0f (kernels::is_masked).
void LinearForward::weigh(const IndexList& rows, std::int64_t first, std::int64_t chunk,
                          std::int64_t columns, const Partial& out) {
  const std::int64_t whole = round_up(columns, kernels::blocking().lanes);
  kernels::gemm({rows_.data() + first * stride_, stride_, 1}, chunks_->features(chunk), rows.count,
                columns, layout_.head_dim, weights(first), stride_, false);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::int64_t seen = head_.visible(rows[r]).end - chunks_->keys(chunk).begin;
    std::fill(weights(first + r) + std::max<std::int64_t>(seen, 0), weights(first + r) + whole,
              -0.0f);
  }
  float sums[kMostBlock];
  kernels::stream_scores(ones_.data(), 1, dense_rows(weights(first), whole, stride_, rows.count),
                         sums, rows.count);
  for (std::int64_t r = 0; r < rows.count; ++r) out.l[r] += sums[r];
}

}  // namespace subquad
