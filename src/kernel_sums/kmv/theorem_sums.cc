#include "kernel_sums/kmv/theorem_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "core/threads.h"
#include "kernel_sums/kmv/column_split.h"
#include "kernel_sums/kmv/heavy_union.h"
#include "kernel_sums/kmv/kmv_probes.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr double kGamma = 0.109, kAlpha = 1.0 / 3, kBeta = 0.218;
constexpr std::int64_t kMostKeys = 4096;
constexpr double kMostDraws = 1e9;

double tables_for(double n) {
  return std::max(1.0, std::ceil(10 * std::pow(n, kAlpha) * std::log(n)));
}

void check_size(std::int64_t n) {
  if (n <= kMostKeys) return;
  const double tables = tables_for(static_cast<double>(n));
  throw_invalid(
      fmt::format("mode: theorem asks for {:.0f} hash tables of {} keys, {:.1f} GB, and is "
                  "supported up to {} keys; use mode=practical",
                  tables, n, 4e-9 * tables * static_cast<double>(n), kMostKeys));
}

// Property 1 of Lemma 2.1: keys within r_near = sqrt(2 sigma^2 alpha ln n) collide with a
// probability of at least n^-alpha.
EuclideanHash theorem_hash(const KernelHead& head) {
  const double n = std::max(2.0, static_cast<double>(head.num_keys));
  const double sigma = 1 / (one_scale(head) * std::sqrt(std::numbers::ln2));
  const double near = sigma * std::sqrt(2 * kAlpha * std::log(n)), width = 4 * near;
  const double one = EuclideanLsh::collision_probability(near, width, 1);
  const auto functions = static_cast<std::int64_t>(kAlpha * std::log(n) / -std::log(one));
  return {width,
          std::clamp<std::int64_t>(functions, 1, 64),
          static_cast<std::int64_t>(tables_for(n)),
          {}};
}

// What Algorithm 2 knows of a row.
struct LightRow {
  std::vector<double> terms;  // x_j k(q_i, k_j) of the keys of T that are not in S_i
  double density = 0;         // s_i, above sum_L x_j^2 K_ij^2
  double exact = 0;           // of H1 and S_i
};

class TheoremColumn {
 public:
  TheoremColumn(const KernelHead& head, std::int64_t channel, double eps)
      : head_(head), n_(static_cast<double>(head.num_keys)), eps_(eps / 2) {
    double total = 0;
    for (std::int64_t j = 0; j < head.num_keys; ++j)
      x_.push_back(head.values[j * head.channels + channel]);
    for (const double x : x_) total += x * x;
    norm_ = std::sqrt(total / n_);  // of x that has |x|^2 = n
    for (double& x : x_) x = norm_ > 0 ? x / norm_ : 0;
  }

  // `heavy`: what the tables bring to the query.
  LightRow split(std::int64_t row, const HeavyUnion& heavy) const {
    LightRow light;
    double all = 0, found = 0;  // t_i, and its part of S_i
    for (std::int32_t j = 0; j < head_.num_keys; ++j) {
      const double x = x_[static_cast<std::size_t>(j)], square = x * x;
      if (square <= std::pow(n_, -4)) continue;  // H2
      const double kernel = std::exp(-0.5 * double{squared_distance(head_, head_.query(row), j)});
      const bool large = square >= std::pow(n_, kGamma);
      const bool is_heavy = kernel >= std::pow(n_, -kAlpha) && heavy.holds(j);
      const double density = large ? 0 : rounded(square) * kernel * kernel;
      all += density;
      if (is_heavy) found += density;
      if (large || is_heavy)
        light.exact += x * kernel;
      else
        light.terms.push_back(x * kernel);
    }
    light.density = all - found + std::pow(n_, -kBeta) * all;
    return light;
  }

  double averages() const { return std::ceil(10 * std::log(std::max(n_, 2.0))); }
  // How many subsamples an average takes.
  double subsamples(const LightRow& light) const {
    return std::ceil(10 * n_ * light.density / (eps_ * eps_));
  }
  // Of all averages, expected.
  double draws(const LightRow& light) const {
    return averages() * subsamples(light) * static_cast<double>(light.terms.size()) / n_;
  }

  double estimate(const LightRow& light, std::int64_t row, const Rng& rng) const {
    std::vector<double> means;
    std::uint32_t draw = 0;
    for (std::int64_t a = 0; a < static_cast<std::int64_t>(averages()); ++a)
      means.push_back(average(light, row, rng, draw));
    const auto middle = means.begin() + static_cast<std::ptrdiff_t>(means.size() / 2);
    std::nth_element(means.begin(), middle, means.end());
    return norm_ * (light.exact + *middle);
  }

 private:
  // The power of 1 + eps above x_j^2.
  double rounded(double square) const {
    const double base = std::log1p(eps_);
    return std::exp(base * std::ceil(std::log(square) / base));
  }

  // Every key of every subsample survives with probability 1 / n: by the gaps between survivors.
  double average(const LightRow& light, std::int64_t row, const Rng& rng,
                 std::uint32_t& draw) const {
    const double samples = subsamples(light), keys = static_cast<double>(light.terms.size());
    if (samples == 0 || light.terms.empty()) return 0;
    const double last = samples * keys, rate = std::log1p(-1 / std::max(n_, 2.0));
    double sum = 0;
    for (double at = -1;;) {
      const std::uint64_t bits =
          rng.bits(Purpose::sample, static_cast<std::uint32_t>(row), draw++) >> 11;
      at += 1 + std::floor(std::log((static_cast<double>(bits) + 0.5) * 0x1p-53) / rate);
      if (at >= last) return n_ * sum / samples;
      sum += light.terms[static_cast<std::size_t>(std::fmod(at, keys))];
    }
  }

  const KernelHead& head_;
  double n_, eps_, norm_ = 0;
  std::vector<double> x_;
};

// fn(row, heavy) for every query.
template <typename Function>
void for_rows(const KernelHead& head, const EuclideanLsh& tables, int threads,
              const Function& function) {
  parallel_workers(threads, head.num_queries, [&] {
    return [&, heavy = HeavyUnion(head.num_keys)](std::int64_t row) mutable {
      heavy.collect(tables, head.query(row), 1, {});
      function(row, heavy);
    };
  });
}

void check_draws(const TheoremColumn& column, const KernelHead& head, const EuclideanLsh& tables,
                 int threads) {
  std::vector<double> draws(static_cast<std::size_t>(head.num_queries));
  for_rows(head, tables, threads, [&](std::int64_t row, const HeavyUnion& heavy) {
    draws[static_cast<std::size_t>(row)] = column.draws(column.split(row, heavy));
  });
  double sum = 0;
  for (const double d : draws) sum += d;
  if (sum > kMostDraws)
    throw_invalid(
        fmt::format("mode: theorem asks for {:.2g} draws, more than {:.0e}; use "
                    "mode=practical or a larger eps",
                    sum, kMostDraws));
}

}  // namespace

KernelRecord theorem_sums(const KernelHead& head, double eps, float* out, const Rng& rng,
                          int threads) {
  check_size(head.num_keys);
  const EuclideanLsh tables(head.keys.data(), head.num_keys, head.dim, theorem_hash(head), rng,
                            threads);
  for (std::int64_t c = 0; c < head.channels; ++c)
    check_draws(TheoremColumn(head, c, eps), head, tables, threads);
  for (std::int64_t c = 0; c < head.channels; ++c) {
    const TheoremColumn column(head, c, eps);
    for_rows(head, tables, threads, [&](std::int64_t row, const HeavyUnion& heavy) {
      out[row * head.channels + c] =
          static_cast<float>(column.estimate(column.split(row, heavy), row, rng));
    });
  }
  return {"kmv:theorem", 2 * head.num_queries * head.num_keys * head.channels, 0,
          std::numeric_limits<double>::quiet_NaN()};
}

}  // namespace subquad
