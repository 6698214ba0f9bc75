#include "light/poly/row_polynomials.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/memory.h"
#include "core/threads.h"
#include "light/poly/poly_sums.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

constexpr int kStepsADoubling = 8, kLeastLog2 = -10;
constexpr int kPlaces = (5 - kLeastLog2) * kStepsADoubling + 1;  // up to kMostBound = 2^5
constexpr std::int16_t kNothing = -1, kTooFar = -2;
constexpr std::int64_t kStep = 64;

double bound_at(std::size_t place) {
  return std::exp2(kLeastLog2 + static_cast<double>(place) / kStepsADoubling);
}

float norm(const float* x, std::int64_t count) {
  float sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += x[c] * x[c];
  return std::sqrt(sum);
}

}  // namespace

RowPolynomials::RowPolynomials(const HeadProblem& head, const HeldEntries& held,
                               const PolyOptions& options, const std::vector<float>& key_norms,
                               int threads)
    : options_(options),
      entries_(options.bound > 0 ? 1 : kPlaces),
      places_(static_cast<std::size_t>(head.num_rows()), kNothing) {
  const std::int64_t dim = head.head_dim();
  const double scale = double{head.scale_log2} / std::numbers::log2e;
  parallel_workers(threads, (head.num_rows() + kStep - 1) / kStep, [&] {
    return [&, queries = Scratch<float>(kStep * dim)](std::int64_t block) mutable {
      const std::int64_t begin = block * kStep, end = std::min(begin + kStep, head.num_rows());
      load_head_rows(head, head.problem->query, index_range(begin, end), 1.0f, queries.data(), dim);
      zero_large_entries(static_cast<float>(options.printed_threshold), queries.data(),
                         (end - begin) * dim);
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t chunk = held.chunk_of(row);
        if (!held.holds_row(row) || held.held_before(chunk) == 0) continue;
        const double size = double{norm(queries.data() + (row - begin) * dim, dim)};
        places_[static_cast<std::size_t>(row)] =
            place_of(std::fabs(scale) * size * double{key_norms[static_cast<std::size_t>(chunk)]});
      }
    };
  });
  for (const std::int16_t place : places_)
    if (place >= 0)
      make(static_cast<std::size_t>(place),
           options_.bound > 0 ? options_.bound : bound_at(static_cast<std::size_t>(place)));
}

std::int16_t RowPolynomials::place_of(double bound) const {
  if (options_.bound > 0) {
    // A bound that the caller gives is taken at its word, unless an error is asked for.
    return options_.error > 0 && !(bound <= options_.bound) ? kTooFar : std::int16_t{0};
  }
  const double place = std::ceil((std::log2(bound) - kLeastLog2) * kStepsADoubling);
  if (!(bound <= kMostBound)) return kTooFar;  // NaN too
  return static_cast<std::int16_t>(std::max(place, 0.0));
}

void RowPolynomials::make(std::size_t place, double bound) {
  Entry& entry = entries_[place];
  if (entry.made) return;
  const ExpPolynomial p = fit_exp(options_.fit, options_.degree, bound);
  entry.made = true;
  entry.good = options_.error <= 0 || p.error <= options_.error;
  entry.exponent = static_cast<float>(bound * std::numbers::log2e);
  for (std::size_t m = 0; m < p.coefficients.size(); ++m)
    entry.coefficients.push_back(static_cast<float>(
        p.coefficients[m] * std::pow(bound * std::numbers::log2e, -static_cast<double>(m))));
}

RowPolynomials::Use RowPolynomials::use(std::int64_t row) const {
  const std::int16_t place = places_[static_cast<std::size_t>(row)];
  if (place == kNothing) return Use::nothing;
  return place != kTooFar && entry(row).good ? Use::polynomial : Use::exact;
}

std::span<const float> RowPolynomials::coefficients(std::int64_t row) const {
  return entry(row).coefficients;
}

float RowPolynomials::exponent(std::int64_t row) const { return entry(row).exponent; }

}  // namespace subquad
