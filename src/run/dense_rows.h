// The rows of a head that a correction computes exactly, and those that follow each of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/placed_rows.h"

namespace subquad {

// Every step-th position, with all query heads of the group.
class DenseRows {
 public:
  DenseRows(const HeadProblem& head, std::int64_t step) : head_(&head), step_(step) {}

  const HeadProblem& head() const { return *head_; }
  // Those that see a key, ascending, at the dense positions [first, first + count).
  std::vector<std::int32_t> rows(std::int64_t first, std::int64_t count) const {
    std::vector<std::int32_t> rows;
    for (std::int64_t n = first; n < first + count && n * step_ < head_->query_len; ++n)
      for (std::int64_t g = 0; g < head_->group; ++g)
        if (const std::int64_t row = n * step_ * head_->group + g; sees_any(*head_, row))
          rows.push_back(static_cast<std::int32_t>(row));
    return rows;
  }
  std::int64_t positions() const { return (head_->query_len + step_ - 1) / step_; }

  // visit(row) for the rows after a dense one, up to the next, that see a key.
  template <typename Visit>
  void for_followers(std::int64_t dense, const Visit& visit) const {
    const std::int64_t position = dense / head_->group;
    const std::int64_t end = std::min(head_->query_len, position + step_);
    for (std::int64_t i = 1; i < end - position; ++i)
      if (const std::int64_t row = dense + i * head_->group; sees_any(*head_, row)) visit(row);
  }

 private:
  const HeadProblem* head_;
  std::int64_t step_;
};

}  // namespace subquad
