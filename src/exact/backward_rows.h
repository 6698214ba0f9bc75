// A block of query rows as the backward pass reads it.
#pragma once

#include <cstdint>

#include "core/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "exact/backward_panels.h"
#include "subquad/attention.h"

namespace subquad {

// Which gradients are asked for.
struct WantedGradients {
  bool query = false, key = false, value = false;
  bool scores() const { return query || key; }
  bool any() const { return query || key || value; }
};
WantedGradients wanted_gradients(const BackwardArguments& arguments);

// The rows of a block that belong to one query head: rows begin, begin + step, ... of the block;
// the first is row `row` of the head problem, the next ones are the positions after it.
struct HeadRows {
  std::int64_t row;
  std::int64_t begin;
  std::int64_t step;
  std::int64_t count;
};

// Calls visit(HeadRows) for every query head with a row in the contiguous list.
template <typename Visit>
void for_each_head(const HeadProblem& head, const IndexList& rows, const Visit& visit) {
  for (std::int64_t begin = 0; begin < head.group && begin < rows.count; ++begin)
    visit(HeadRows{rows.first + begin, begin, head.group,
                   (rows.count - begin + head.group - 1) / head.group});
}

// Queries (times scale * log2 e) and output gradients as dense f32, and packed to be summed over.
class BackwardRows {
 public:
  BackwardRows(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // `rows` must be contiguous. O(rows * (head_dim + value_dim)).
  void load(const HeadProblem& head, const BackwardArguments& arguments, const IndexList& rows);

  const IndexList& rows() const { return rows_; }
  const float* query(std::int64_t i) const { return queries_.data() + i * head_dim_; }
  const float* grad_out(std::int64_t i) const { return grad_outs_.data() + i * value_dim_; }
  const RowPanels& query_panels() const { return query_panels_; }
  const RowPanels& grad_out_panels() const { return grad_out_panels_; }
  // The exponent of the row's weights: lse in base 2.
  const float* lse_log2(std::int64_t i) const { return lse_log2_.data() + i; }
  // dL/d score = weight * (grad_out . value + offset), offset = grad_lse - grad_out . out.
  const float* offset(std::int64_t i) const { return offsets_.data() + i; }

 private:
  void load_tensor(const HeadProblem& head, const TensorView& view, float factor, float* out) const;
  void load_lse(const HeadProblem& head, const TensorView& lse);
  void load_offsets(const HeadProblem& head, const BackwardArguments& arguments);

  std::int64_t head_dim_, value_dim_;
  IndexList rows_;
  Scratch<float> queries_, grad_outs_, outs_, lse_log2_, offsets_;
  RowPanels query_panels_, grad_out_panels_;
};

}  // namespace subquad
