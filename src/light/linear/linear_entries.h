// What linear attention holds for single entries: the products of their features.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "light/linear/linear_features.h"
#include "parts/implied_entries.h"
#include "rows/head_problem.h"

namespace subquad {

class LinearEntries final : public ImpliedEntries {
 public:
  // sizes[row] += sum of |weight| of the head's row's entries. What is given must outlive this.
  LinearEntries(const HeadProblem& head, const LinearModel& model, std::vector<float>& sizes);

  std::int64_t most_rows() const override;
  void load_rows(const RowBlock& rows, const Range& part, float* m) override;
  void load_keys(const IndexList& keys) override;
  void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) override;
  void finish_rows(const Partial& sums) override;

 private:
  const HeadProblem& head_;
  LinearModel model_;
  std::vector<float>& sizes_;
  std::int64_t stride_;  // of a row of features
  IndexList rows_;
  std::int64_t first_row_ = 0;  // of the block
  std::vector<float> row_sizes_;
  Scratch<float> query_features_, key_features_, packed_;
};

}  // namespace subquad
