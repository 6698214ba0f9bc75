// A block of query rows as the backward pass reads it, and the sums of their gradients.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/backward_panels.h"
#include "rows/backward_sums.h"
#include "subquad/attention.h"

namespace subquad {

// Queries (times scale * log2 e) and output gradients as dense f32, and packed to be summed over.
// Extreme rows (rows/extreme_rows.h) are loaded as zeros that meet nothing.
class BackwardRows {
 public:
  BackwardRows(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Loads the listed rows and sets the sums to zero. O(rows * (head_dim + value_dim)).
  void load(const HeadProblem& head, const BackwardArguments& arguments, const IndexList& rows);
  // Adds the sums, times the problem's scale, to grad_query.
  void add_grad_query(const HeadProblem& head, const MutableTensorView& grad_query) const;

  const IndexList& rows() const { return rows_; }
  const float* query(std::int64_t i) const { return queries_.data() + i * head_dim_; }
  const float* grad_out(std::int64_t i) const { return grad_outs_.data() + i * value_dim_; }
  const RowPanels& query_panels() const { return query_panels_; }
  const RowPanels& grad_out_panels() const { return grad_out_panels_; }
  // The exponent of the row's weights: lse in base 2.
  const float* lse_log2(std::int64_t i) const { return lse_log2_.data() + i; }
  // dL/d score = weight * (grad_out . value + offset), offset = grad_lse - grad_out . out.
  const float* offset(std::int64_t i) const {
    return (scaled_ ? scaled_offsets_ : offsets_).data() + i;
  }
  // Scales the offsets until the next call or load(); empty: as they are.
  void set_offset_factors(std::span<const float> factors);
  // Row i meets its entries as terms of a sum: dL/d score = 2^(score - log2_sum) * pull.
  void set_pull(std::int64_t i, float log2_sum, float pull);
  // Sum of dS K of row i and those after it, rows a stride apart.
  float* grad_query(std::int64_t i) { return grad_queries_.data() + i * grad_query_stride(); }
  std::int64_t grad_query_stride() const;

 private:
  void load_lse(const HeadProblem& head, const TensorView& lse);
  void leave_out_extremes();
  void load_offsets(const HeadProblem& head, const BackwardArguments& arguments);
  // `count` rows that share a query head, from row `begin` of the block on, `step` apart.
  void add_part(const HeadProblem& head, std::int64_t begin, std::int64_t step, std::int64_t count,
                const MutableTensorView& grad_query) const;

  std::int64_t head_dim_, value_dim_;
  IndexList rows_;
  Scratch<float> queries_, grad_outs_, outs_, lse_log2_, offsets_, scaled_offsets_, grad_queries_;
  std::vector<float> lses_;
  bool scaled_ = false;
  RowPanels query_panels_, grad_out_panels_;
};

}  // namespace subquad
