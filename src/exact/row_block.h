// A block of query rows and their running sums: what a tile of keys is merged into.
#pragma once

#include <cstdint>

#include "core/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "merge/partial.h"

namespace subquad {

// Queries as dense f32 in units that make q . k a base-2 logit, and one Partial row each.
class RowBlock {
 public:
  RowBlock(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Loads the queries and resets the sums to the identity.
  void load(const HeadProblem& head, const IndexList& rows);

  const IndexList& rows() const { return rows_; }
  const float* query(std::int64_t i) const { return queries_.data() + i * head_dim_; }
  std::int64_t head_dim() const { return head_dim_; }
  Partial partial() { return sums_.view(rows_.count); }
  // Keeps a copy of the sums, and brings it back.
  void save();
  void restore();

 private:
  std::int64_t head_dim_;
  IndexList rows_;
  Scratch<float> queries_;
  PartialBuffer sums_, saved_;
  std::int64_t saved_rows_ = 0;
};

}  // namespace subquad
