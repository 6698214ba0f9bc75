#include "support/plain_poly.h"

#include <algorithm>
#include <cmath>

#include "methods/method.h"
#include "rows/tile_sizes.h"
#include "run/head_plan.h"
#include "support/gradient_differences.h"

namespace subquad::testing {
namespace {

double norm(const double* x, std::int64_t count) { return std::sqrt(dot(x, x, count)); }

// The next 2^(i/8), 2^-10 at least.
double rounded_bound(double bound) {
  return std::max(std::exp2(std::ceil(8 * std::log2(bound)) / 8), std::exp2(-10));
}

// The keys that every row has in the heavy set are its whole columns.
std::vector<std::uint8_t> whole_columns(const HeadProblem& head, const PlainTensors& tensors,
                                        double threshold) {
  std::vector<std::uint8_t> whole(at(head.num_keys), 0);
  for (std::int64_t k = 0; threshold > 0 && k < head.num_keys; ++k)
    for (std::int64_t c = 0; c < tensors.dim; ++c)
      if (std::fabs(tensors.key.row(k)[c]) > threshold) whole[at(k)] = 1;
  return whole;
}

}  // namespace

PlainPoly::PlainPoly(const HeadProblem& head, const PlainPolySetup& setup)
    : head_(head), setup_(setup) {
  const Method parsed = parse_method(setup.spec);
  const Method& method = parsed.recipe != nullptr ? parsed.recipe->choose(head) : parsed;
  HeadPlan plan(head, method, kSeed, 1);
  plan.finish(head);
  heavy_ = heavy_entries(head, plan.sets());
  const PlainTensors tensors(head);
  flagged_keys_ = whole_columns(head, tensors, setup.threshold);
  set_buckets(tensors);
  for (std::int64_t i = 0; i < head.num_rows(); ++i) set_polynomials(tensors, i);
}

// Geometric, between the norms of the smallest and the largest key.
void PlainPoly::set_buckets(const PlainTensors& tensors) {
  buckets_.assign(at(head_.num_keys), 0);
  double least = 1e300, largest = 0;
  const auto size = [&](std::int64_t k) { return norm(tensors.key.row(k), tensors.dim); };
  for (std::int64_t k = 0; k < head_.num_keys; ++k) {
    if (flagged_keys_[at(k)] != 0) continue;
    least = std::min(least, size(k));
    largest = std::max(largest, size(k));
  }
  for (std::int64_t k = 0; k < head_.num_keys; ++k) {
    if (flagged_keys_[at(k)] != 0) continue;
    const double place = std::log(largest / size(k)) / std::log(largest / least);
    const auto m = static_cast<double>(setup_.options.buckets);
    buckets_[at(k)] = static_cast<std::int64_t>(std::min(place * m, m - 1));
  }
}

void PlainPoly::set_polynomials(const PlainTensors& tensors, std::int64_t i) {
  // Near keys and flagged ones are no part of the sums; those of other heavy sets are.
  const bool causal = head_.problem->causal != Causal::none;
  const std::int64_t block = row_block_size(head_.head_dim(), head_.value_dim());
  const std::int64_t end = causal ? head_.visible(i / block * block).end : head_.num_keys;
  for (std::int64_t b = 0; b < setup_.options.buckets; ++b) {
    double largest = 0;
    bool any = false;
    for (std::int64_t k = 0; k < end; ++k) {
      if (flagged_keys_[at(k)] != 0 || buckets_[at(k)] != b) continue;
      any = any || !is_heavy(i, k);
      largest = std::max(largest, norm(tensors.key.row(k), tensors.dim));
    }
    double bound = setup_.options.bound;
    if (bound == 0) bound = rounded_bound(largest * norm(tensors.query.row(i), tensors.dim));
    polynomials_.push_back(any && bound <= kMostBound
                               ? fit_exp(setup_.options.fit, setup_.options.degree, bound)
                               : ExpPolynomial{bound, {}, any ? 1e9 : 0});
  }
}

std::vector<double> PlainPoly::sums(const PlainTensors& tensors, std::int64_t i,
                                    bool exactly) const {
  std::vector<double> sums(at(tensors.value_dim + 1), 0.0);
  const Range seen = head_.visible(i);
  for (std::int64_t k = seen.begin; k < seen.end; ++k) {
    const double score = tensors.score(i, k);
    double weight = std::exp(score);
    if (!exactly && !is_heavy(i, k)) {
      const ExpPolynomial& p = polynomial(i, buckets_[at(k)]);
      weight = p.scaled_value(score) * std::exp(p.bound);
    }
    add_scaled(weight, tensors.value.row(k), tensors.value_dim, sums.data());
    sums.back() += weight;
  }
  return sums;
}

bool PlainPoly::falls_back(std::int64_t i, double sum) const {
  for (std::int64_t b = 0; b < setup_.options.buckets; ++b) {
    const ExpPolynomial& p = polynomial(i, b);
    const bool far = p.coefficients.empty() && p.error > 0;
    if (far || (setup_.options.error > 0 && p.error > setup_.options.error)) return true;
  }
  return sum <= 0;
}

PlainRow PlainPoly::row(const PlainTensors& tensors, std::int64_t i) const {
  std::vector<double> result = sums(tensors, i, false);
  if (falls_back(i, result.back())) result = sums(tensors, i, true);
  return finish_row(head_, i, result, 0);
}

std::int64_t PlainPoly::heavy_count() const {
  return std::count(heavy_.begin(), heavy_.end(), std::uint8_t{1});
}

std::int64_t PlainPoly::exact_rows(const PlainTensors& tensors) const {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < head_.num_rows(); ++i)
    count += falls_back(i, sums(tensors, i, false).back()) && !head_.visible(i).empty() ? 1 : 0;
  return count;
}

}  // namespace subquad::testing
