// What the pieces that split numbers leave out may cost a row: a bound, from the norms of its query
// and of the keys and values that it sees (docs/design/0008-f32-through-bf16.md).
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/step_norms.h"

namespace subquad {

// How f32 goes through bf16. Order 0: rounded to it. Otherwise products of the pieces i and j of
// two numbers with i + j <= order: three of f32 for 1, six for 2.
struct SplitOrder {
  int order = 0;
  float tolerance = 0;  // refuse rows with a larger relative error; 0: none
  bool splits() const { return order > 0; }
};

// |out - exact|_2 of a row is at most `relative` times the largest |v|_2 that it sees.
struct RowError {
  float relative = 0, value = 0;
  float absolute() const;
};

class SplitError {
 public:
  // For the rows of a head; rows in panels of kPanelRows.
  void load(const HeadProblem& head, const SplitOrder& order, std::int64_t rows);
  void set_query(std::int64_t row, const PieceNorms& norms);
  // All rows of a panel see all keys of a step; or those whose scores are not -inf.
  void meet(std::int64_t panel, const StepNorms& step);
  void meet_seen(std::int64_t panel, const StepNorms& step, const float* scores);

  RowError of(std::int64_t row) const;

 private:
  float top(NormKind kind, std::int64_t row) const;

  int order_ = 0;
  double scale_ = 0, score_rounding_ = 0, weight_error_ = 0, value_error_ = 0;
  std::vector<PieceNorms> queries_;
  std::vector<float> row_tops_[kNormKinds], panel_tops_[kNormKinds];
};

// The relative error below which no row of such a head is known to be, whatever the tensors hold.
float least_split_error(HeadProblem head, int order);

}  // namespace subquad
