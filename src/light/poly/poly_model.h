// A polynomial model of one head: everything that its forward, its subtraction and its backward
// read.
#pragma once

#include "light/poly/held_entries.h"
#include "light/poly/monomials.h"
#include "light/poly/poly_options.h"
#include "light/poly/poly_sums.h"
#include "light/poly/row_polynomials.h"
#include "rows/head_problem.h"

namespace subquad {

struct PolyModel {
  // `head` and the sets must outlive this.
  PolyModel(const HeadProblem& of, const EntrySets& heavy, const PolyOptions& asked, int threads);
  PolyModel(const PolyModel&) = delete;
  PolyModel& operator=(const PolyModel&) = delete;

  const HeadProblem& head;
  PolyOptions options;
  HeldEntries held;
  MonomialLayout layout;
  PolySums sums;
  RowPolynomials rows;

  bool printed() const { return options.printed_threshold > 0; }
  // A row's channels as the features take them, its coefficients, and the exponent m of its
  // weights. A row without a polynomial: zeros, and m = -inf. `query`: in base-2 units.
  void load_row(std::int64_t row, const float* query, float* channels, float* factors,
                float& m) const;
};

}  // namespace subquad
