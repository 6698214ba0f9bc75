// How large multipole's errors are: no larger than what it was asked for, of the size that it
// states, and reduced by its fit and its higher orders.
//
// Seeds are fixed: a correct program fails where another instruction set's rounding moves a number
// across its limit. The comment at each limit gives what was measured, and what chance would have
// to do to reach it. Fewer than 300 checks.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t kLength = 1024, kDim = 16;

enum class Input : std::uint8_t { smooth, mixture, heavy_tailed };

// Values follow the keys, with noise. smooth: Gaussian queries and keys. mixture: around 30
// centers. heavy_tailed: the keys' lengths are log-normal, so that a few keys hold most of a row's
// weight.
OwnedProblem make_input(Input input, std::uint64_t seed) {
  OwnedProblem owned =
      gaussian_problem({.queries = kLength, .keys = kLength, .head_dim = kDim}, seed);
  Draw draw(seed + 1000);
  const auto centers = 30;
  std::vector<double> center(static_cast<std::size_t>(centers * kDim));
  for (double& x : center) x = 1.5 * draw.normal();
  const auto move = [&](TensorBuffer& tensor) {
    for (std::int64_t i = 0; i < kLength; ++i) {
      const std::int64_t which = draw.integer(0, centers - 1);
      const double length = std::exp(0.6 * draw.normal());
      for (std::int64_t c = 0; c < kDim; ++c) {
        const double x = tensor.get(0, 0, i, c);
        tensor.set(0, 0, i, c,
                   input == Input::mixture
                       ? 0.5 * x + center[static_cast<std::size_t>(which * kDim + c)]
                   : input == Input::heavy_tailed ? length * x
                                                  : x);
      }
    }
  };
  move(owned.query);
  move(owned.key);
  owned.value.for_each([&](auto b, auto h, auto j, auto c) {
    const double x = owned.key.get(b, h, j, c) + owned.key.get(b, h, j, (c + 1) % kDim);
    owned.value.set(b, h, j, c, std::tanh(x) + 0.2 * owned.value.get(b, h, j, c));
  });
  return owned;
}

// The leave-one-out estimate holds on smooth input. Where a few keys hold a row's weight (mixture,
// heavy_tailed) 256 probes of 1,024 rows do not see every such key: the error asked for is then
// missed, and the error stated too small, by factors that these limits keep from growing. Measured
// over 10 seeds: largest share of the error asked for 1.0, 2.7, 1.5; stated over measured 0.92 to
// 1.13, 0.187 to 1.22, 0.44 to 0.94; the limit of 0.16 leaves another instruction set's rounding a
// cluster or two that it opens or not. far(..) therefore looks at rows of its own afterwards and
// runs exactly where they show more than 1.5 times the error.
struct Limits {
  double largest_share, least_stated, most_stated;
};

Limits limits_of(Input input) {
  if (input == Input::smooth) return {1.0, 0.8, 1.3};
  return input == Input::mixture ? Limits{4.0, 0.16, 1.6} : Limits{2.0, 0.3, 1.3};
}

struct Measured {
  double relative = 0;  // Frobenius, of out
  double stated = 0;    // rms of row_error over that of the rows' errors
  bool exact = false;
};

Measured measure(const OwnedProblem& owned, const MethodRun& exact, const std::string& spec,
                 std::uint64_t seed) {
  const MethodRun run = run_method(owned.problem, spec, 2, seed);
  double error = 0, size = 0, stated = 0;
  run.out.for_each([&](auto b, auto h, auto i, auto c) {
    error += std::pow(run.out.get(b, h, i, c) - exact.out.get(b, h, i, c), 2);
    size += std::pow(exact.out.get(b, h, i, c), 2);
  });
  run.row_error.for_each([&](auto b, auto h, auto i, auto c) {
    stated += std::pow(run.row_error.get(b, h, i, c), 2);
  });
  return {std::sqrt(error / size), std::sqrt(stated / error), run.out.words() == exact.out.words()};
}

TEST(MultipoleError, StaysBelowWhatIsAskedFor) {
  int approximate = 0;
  for (const Input input : {Input::smooth, Input::mixture, Input::heavy_tailed})
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const OwnedProblem owned = make_input(input, seed);
      const MethodRun exact = run_method(owned.problem, "exact", 2);
      for (const std::string error : {"0.3", "0.1", "0.03"}) {
        const Measured found = measure(
            owned, exact, "multipole(clusters=64,fit=256,always=true,error=" + error + ")", seed);
        EXPECT_TRUE(found.exact ||
                    found.relative <= limits_of(input).largest_share * std::stod(error))
            << static_cast<int>(input) << " seed " << seed << ": " << found.relative << " of "
            << error;
        approximate += found.exact ? 0 : 1;
      }
    }
  EXPECT_GE(approximate, 45);  // measured: 88 of 90
}

// The held-out rows catch what the probes did not see: 200 of 1,024 rows, alarm at 1.5 times the
// error, so that most runs stay below twice the error asked for. Fixed seeds.
TEST(Far, KeepsToItsErrorOnAllInputs) {
  for (const Input input : {Input::smooth, Input::mixture, Input::heavy_tailed})
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const OwnedProblem owned = make_input(input, seed);
      const MethodRun exact = run_method(owned.problem, "exact", 2);
      for (const std::string error : {"0.3", "0.1", "0.03"}) {
        const std::string spec =
            "far(clusters=64,fit=256,always=true,certify=200,error=" + error + ")";
        EXPECT_LE(measure(owned, exact, spec, seed).relative, 2 * std::stod(error))
            << static_cast<int>(input) << " seed " << seed << " error " << error;
      }
    }
}

TEST(MultipoleError, IsOfTheSizeThatItStates) {
  for (const Input input : {Input::smooth, Input::mixture, Input::heavy_tailed})
    for (const std::string spec :
         {"multipole(clusters=64,fit=256)", "multipole(clusters=64,fit=256,open=0.1)",
          "window(30)+multipole(clusters=64,fit=256)"}) {
      double least = 1e9, most = 0;
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const OwnedProblem owned = make_input(input, seed);
        const MethodRun exact = run_method(owned.problem, "exact", 2);
        const Measured found = measure(owned, exact, spec, seed);
        least = std::min(least, found.stated);
        most = std::max(most, found.stated);
      }
      EXPECT_GE(least, limits_of(input).least_stated) << spec;
      EXPECT_LE(most, limits_of(input).most_stated) << spec;
    }
}

// Measured: at most 0.35 over 20 seeds.
TEST(MultipoleError, IsReducedByTheFitOnSmoothInput) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const OwnedProblem owned = make_input(Input::smooth, seed);
    const MethodRun exact = run_method(owned.problem, "exact", 2);
    const double with = measure(owned, exact, "multipole(clusters=64,fit=256)", seed).relative,
                 without = measure(owned, exact, "multipole(clusters=64,fit=0)", seed).relative;
    EXPECT_LE(with, 0.6 * without) << seed;
  }
}

// One cluster of n keys k ~ N(0, s^2 I) with values A k: for a query with a = s^2 |q|^2 (natural
// units) the exact lse is log n + q.mu + a / 2 and the output A (mu + s^2 q), each up to sampling:
// the mean of n log-normal weights has the relative variance (e^a - 1) / n. Order 0 leaves a / 2
// and A s^2 q out, order 1 a / 2 alone, order 2 neither.
TEST(MultipoleError, OrdersAddTheTermsOfAGaussianCluster) {
  const std::int64_t n = 20000, rows = 40, dim = 8;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    OwnedProblem owned = gaussian_problem({.queries = rows, .keys = n, .head_dim = dim}, seed);
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t c = 0; c < dim; ++c)
        owned.value.set(0, 0, j, c,
                        owned.key.get(0, 0, j, c) - 2 * owned.key.get(0, 0, j, (c + 3) % dim));
    owned.problem.scale = 0.35F;
    const MethodRun exact = run_method(owned.problem, "exact", 2);
    const MethodRun order[3] = {
        run_method(owned.problem, "multipole(clusters=1,fit=0)", 2),
        run_method(owned.problem, "multipole(clusters=1,fit=0,order=1)", 2),
        run_method(owned.problem, "multipole(clusters=1,fit=0,order=2)", 2)};
    for (std::int64_t i = 0; i < rows; ++i) {
      double a = 0;
      for (std::int64_t c = 0; c < dim; ++c) a += std::pow(0.35 * owned.query.get(0, 0, i, c), 2);
      // Eight standard errors; weights of order 2 and their products with values have tails a
      // little longer than normal ones, and e^a - 1 stays below 20.
      const double limit = 8 * std::sqrt((std::exp(a) - 1) / static_cast<double>(n));
      const auto lse_gap = [&](int o) {
        return exact.lse.get(0, 0, i, 0) - order[o].lse.get(0, 0, i, 0);
      };
      EXPECT_NEAR(lse_gap(0), a / 2, limit);
      EXPECT_NEAR(lse_gap(1), a / 2, limit);
      EXPECT_NEAR(lse_gap(2), 0, limit);
      const double out_limit = 3 * limit * (1 + std::sqrt(a));  // |A| < 3
      for (std::int64_t c = 0; c < dim; ++c) {
        const double slope =
            0.35 * (owned.query.get(0, 0, i, c) - 2 * owned.query.get(0, 0, i, (c + 3) % dim));
        const auto gap = [&](int o) {
          return exact.out.get(0, 0, i, c) - order[o].out.get(0, 0, i, c);
        };
        EXPECT_NEAR(gap(0), slope, out_limit);
        EXPECT_NEAR(gap(1), 0, out_limit);
        EXPECT_NEAR(gap(2), 0, out_limit);
      }
    }
  }
}

}  // namespace
}  // namespace subquad::testing
