// The polynomial that each row of a head uses: that of its own interval.
//
// Scores of a row are at most |q| max |k| (Cauchy and Schwarz), which is far below D max |q_i|
// max |k_i|, the interval of paper 003. Intervals are rounded up to 2^(i/8), so that a head needs
// few polynomials, and that derivatives with respect to q and k meet constant coefficients.
// Coefficients are of powers of the base-2 logit; a row's weights are relative to 2^m, its bound.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "light/poly/held_entries.h"
#include "light/poly/poly_options.h"
#include "rows/head_problem.h"

namespace subquad {

class RowPolynomials {
 public:
  // O(rows D), shared by the threads. `key_norms`: the largest |k| among the held keys of each
  // chunk.
  RowPolynomials(const HeadProblem& head, const HeldEntries& held, const PolyOptions& options,
                 const std::vector<float>& key_norms, int threads);

  enum class Use : std::uint8_t { nothing, polynomial, exact };
  // nothing: the model holds no entry of the row. exact: its polynomial is not good enough.
  Use use(std::int64_t row) const;
  // degree + 1 of them, for rows that use a polynomial.
  std::span<const float> coefficients(std::int64_t row) const;
  // The base-2 exponent that the row's weights are relative to.
  float exponent(std::int64_t row) const;

 private:
  struct Entry {
    std::vector<float> coefficients;
    float exponent = 0;
    bool good = false;
    bool made = false;
  };
  void make(std::size_t place, double bound);
  std::int16_t place_of(double bound) const;
  const Entry& entry(std::int64_t row) const {
    return entries_[static_cast<std::size_t>(places_[static_cast<std::size_t>(row)])];
  }

  PolyOptions options_;
  std::vector<Entry> entries_;        // by interval
  std::vector<std::int16_t> places_;  // by row
};

}  // namespace subquad
