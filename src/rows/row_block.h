// A block of query rows and their running sums: what a tile of keys is merged into.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/partial.h"

namespace subquad {

// Which of a row's sums a run of keys adds to: weights to l, weighted values to o.
enum class Sums : std::uint8_t { both, weights, values };

// Capped weights: where the base-2 logits of each row end, bias included. nullptr: nowhere.
struct RowLimits {
  const float* log2 = nullptr;
  std::int32_t* reached = nullptr;  // counts each row's entries above it, if not nullptr

  RowLimits from(std::int64_t row) const {
    return {log2 != nullptr ? log2 + row : nullptr, reached != nullptr ? reached + row : nullptr};
  }
};

// Queries as dense f32 in units that make q . k a base-2 logit, and one Partial row each.
class RowBlock {
 public:
  RowBlock(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Loads the queries and resets the sums to the identity.
  void load(const HeadProblem& head, const IndexList& rows);

  const IndexList& rows() const { return rows_; }
  const float* query(std::int64_t i) const { return queries_.data() + i * head_dim_; }
  std::int64_t head_dim() const { return head_dim_; }
  // Of all queries (rows/overflows.h).
  bool calm() const { return calm_; }
  Partial partial() { return (aside_ ? side_ : sums_).view(rows_.count); }
  // Keeps a copy of the sums of some rows, and brings it back.
  void save(const Range& part);
  void restore(const Range& part);
  // Between the two, partial() is a fresh set of sums; then those that `sums` names join the main
  // ones.
  void open_side(Sums sums);
  void close_side();
  bool wants_values() const { return wanted_ != Sums::weights; }
  // Limits for all entries that are scored until the next call.
  void set_limits(const RowLimits& limits) { limits_ = limits; }
  const RowLimits& limits() const { return limits_; }

 private:
  std::int64_t head_dim_, value_dim_, capacity_;
  IndexList rows_;
  Scratch<float> queries_;
  PartialBuffer sums_, saved_, side_;
  bool aside_ = false, calm_ = false;
  Sums wanted_ = Sums::both;
  RowLimits limits_;
};

}  // namespace subquad
