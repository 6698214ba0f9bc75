#include "light/poly/poly_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subquad {
namespace {

// Near entries cost D + Dv each, sums of a chunk r (Dv + 1) floats: about as many positions as make
// both small beside the features.
std::int64_t chunk_of(const PolyOptions& options, std::int64_t head_dim) {
  if (options.chunk > 0) return options.chunk;
  const double features = count_monomials(head_dim, options.degree);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(features / 2), 256, 4096);
}

}  // namespace

PolyModel::PolyModel(const HeadProblem& of, const EntrySets& heavy, const PolyOptions& asked,
                     int threads)
    : head(of),
      options(asked),
      held(of, asked.printed_threshold > 0 ? EntrySets{} : heavy, chunk_of(asked, of.head_dim())),
      layout(of.head_dim(), asked.degree, of.value_dim()),
      sums(of, held, layout, static_cast<float>(asked.printed_threshold), threads),
      rows(of, held, asked, sums.key_norms(), threads) {}

void PolyModel::load_row(std::int64_t row, const float* query, float* channels, float* factors,
                         float& m) const {
  const std::int64_t dim = head.head_dim();
  if (rows.use(row) != RowPolynomials::Use::polynomial) {
    std::fill_n(channels, dim, 0.0f);
    std::fill_n(factors, options.degree + 1, 0.0f);
    m = -std::numeric_limits<float>::infinity();
    return;
  }
  std::copy_n(query, dim, channels);
  if (printed())
    zero_large_entries(static_cast<float>(options.printed_threshold) * std::fabs(head.scale_log2),
                       channels, dim);
  std::copy_n(rows.coefficients(row).begin(), options.degree + 1, factors);
  m = rows.exponent(row);
}

}  // namespace subquad
