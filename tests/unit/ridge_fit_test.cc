// RidgeFit against normal equations in long double, solved by Gaussian elimination, on every
// instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "far/fit/ridge_fit.h"
#include "subquad/error.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

using Real = long double;

struct Table {
  std::int64_t rows, columns;
  std::vector<Real> data;

  Table(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), data(static_cast<std::size_t>(r * c)) {}
  Real& operator()(std::int64_t i, std::int64_t j) {
    return data[static_cast<std::size_t>(i * columns + j)];
  }
  Real operator()(std::int64_t i, std::int64_t j) const {
    return data[static_cast<std::size_t>(i * columns + j)];
  }
};

Table transposed_product(const Table& a, const Table& b) {
  Table out(a.columns, b.columns);
  for (std::int64_t k = 0; k < a.rows; ++k)
    for (std::int64_t i = 0; i < a.columns; ++i)
      for (std::int64_t j = 0; j < b.columns; ++j) out(i, j) += a(k, i) * b(k, j);
  return out;
}

Table product(const Table& a, const Table& b) {
  Table out(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < a.columns; ++k)
      for (std::int64_t j = 0; j < b.columns; ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}

Table magnitudes(Table a) {
  for (Real& x : a.data) x = std::fabs(x);
  return a;
}

Real inner(const Table& a, const Table& b) {
  Real sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += a.data[i] * b.data[i];
  return sum;
}

// Row `from` times `factor` off row `to`, from column `first` on.
void eliminate(Table& a, std::int64_t to, std::int64_t from, Real factor, std::int64_t first) {
  for (std::int64_t j = first; j < a.columns; ++j) a(to, j) -= factor * a(from, j);
}

// a^-1 b by Gaussian elimination with partial pivoting.
Table eliminated(Table a, Table b) {
  const std::int64_t n = a.rows;
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t top = k;
    for (std::int64_t i = k + 1; i < n; ++i)
      if (std::fabs(a(i, k)) > std::fabs(a(top, k))) top = i;
    for (std::int64_t j = 0; j < n; ++j) std::swap(a(k, j), a(top, j));
    for (std::int64_t j = 0; j < b.columns; ++j) std::swap(b(k, j), b(top, j));
    for (std::int64_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const Real factor = a(i, k) / a(k, k);
      eliminate(a, i, k, factor, k);
      eliminate(b, i, k, factor, 0);
    }
  }
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) /= a(i, i);
  return b;
}

Real mean_square(const Table& f) { return inner(f, f) / static_cast<Real>(f.columns); }

Table system(const Table& f, Real mu) {
  Table m = transposed_product(f, f);
  for (std::int64_t i = 0; i < m.rows; ++i) m(i, i) += mu;
  return m;
}

Table ridge(const Table& f, const Table& t, Real mu) {
  return eliminated(system(f, mu), transposed_product(f, t));
}

std::vector<float> random_floats(Draw& draw, std::int64_t count) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& x : out) x = static_cast<float>(draw.normal());
  return out;
}

Table table(const std::vector<float>& data, std::int64_t rows, std::int64_t columns,
            std::int64_t stride) {
  Table out(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      out(i, j) = static_cast<Real>(data[static_cast<std::size_t>(i * stride + j)]);
  return out;
}

// Features of positive mean, so that the columns are correlated as clusters' weights are, and
// targets with room beside them.
struct Case {
  std::int64_t p, r, c;
  double lambda;
  std::vector<float> features, targets;

  Case(std::int64_t rows, std::int64_t width, std::int64_t columns, double l, std::uint64_t seed)
      : p(rows), r(width), c(columns), lambda(l) {
    Draw draw(seed);
    features = random_floats(draw, p * r);
    for (float& f : features) f += 1.0F;
    targets = random_floats(draw, p * stride());
  }
  std::int64_t stride() const { return c + 3; }
  Table f() const { return table(features, p, r, r); }
  Table t() const { return table(targets, p, c, stride()); }
  Real mu() const { return static_cast<Real>(lambda) * mean_square(f()); }
  RidgeFit fit(int threads = 1) const { return {features.data(), p, r, lambda, threads}; }
};

constexpr float kCanary = -7.25e8F;

std::vector<float> solved(const RidgeFit& fit, const Case& data, int threads = 1) {
  std::vector<float> out(static_cast<std::size_t>(data.r * data.stride()), kCanary);
  fit.solve(data.targets.data(), data.stride(), data.c, out.data(), data.stride(), threads);
  return out;
}

Real relative_error(const Table& a, const Table& b) {
  Table d = a;
  for (std::size_t i = 0; i < d.data.size(); ++i) d.data[i] -= b.data[i];
  return std::sqrt(inner(d, d) / inner(b, b));
}

// |(G + mu) C - F^T T| in units of its bound: f32 sums of 64 products in G, in F^T T and (once
// more for mu's trace) in mu, and C rounded to f32. At most 1 whatever the data.
Real residual(const Case& data, const Table& c) {
  const Table f = data.f(), size = magnitudes(f), c_size = magnitudes(c);
  const Real mu = data.mu(), sums = 66 * 0x1p-24L;
  const Table left = product(system(f, mu), c), right = transposed_product(f, data.t());
  const Table left_size = product(system(size, mu), c_size);
  const Table right_size = transposed_product(size, magnitudes(data.t()));
  Real worst = 0;
  for (std::size_t i = 0; i < left.data.size(); ++i)
    worst = std::max(worst, std::fabs(left.data[i] - right.data[i]) /
                                (sums * (left_size.data[i] + right_size.data[i])));
  return worst;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {1, 1, 1, 0.1, 1},    {1, 5, 3, 0.1, 2},     {7, 1, 2, 0.0, 3},      {40, 17, 3, 1e-2, 4},
      {64, 64, 1, 1e-2, 5}, {100, 65, 33, 0.0, 6}, {65, 130, 34, 1e-2, 7}, {200, 70, 65, 1e-3, 8}};
  return all;
}

TEST(RidgeFit, SolvesTheNormalEquations) {
  on_every_isa([] {
    for (const Case& data : cases()) {
      SCOPED_TRACE(::testing::Message() << data.p << " x " << data.r << " c " << data.c);
      const RidgeFit fit = data.fit();
      ASSERT_TRUE(fit.ok());
      const auto mu = static_cast<double>(data.mu());
      EXPECT_NEAR(fit.ridge(), mu, 1e-5 * mu);
      const std::vector<float> out = solved(fit, data);
      const Table c = table(out, data.r, data.c, data.stride());
      EXPECT_LE(residual(data, c), 1.0L);
      EXPECT_LE(relative_error(c, ridge(data.f(), data.t(), data.mu())), 2e-4L);
      for (std::int64_t i = 0; i < data.r; ++i)
        for (std::int64_t j = data.c; j < data.stride(); ++j)
          EXPECT_EQ(out[static_cast<std::size_t>(i * data.stride() + j)], kCanary);
    }
  });
}

TEST(RidgeFit, AppliesTheInverse) {
  on_every_isa([] {
    for (const Case& data : cases()) {
      SCOPED_TRACE(::testing::Message() << data.p << " x " << data.r << " c " << data.c);
      Draw draw(21);
      const std::vector<float> rhs = random_floats(draw, data.r * data.stride());
      std::vector<float> out(rhs.size());
      data.fit().apply_inverse(rhs.data(), data.stride(), data.c, out.data(), data.stride(), 1);
      const Table expected =
          eliminated(system(data.f(), data.mu()), table(rhs, data.r, data.c, data.stride()));
      EXPECT_LE(relative_error(table(out, data.r, data.c, data.stride()), expected), 2e-4L);
    }
  });
}

// Row `row` of a table left out.
Table without(const Table& a, std::int64_t row) {
  Table out(a.rows - 1, a.columns);
  for (std::int64_t i = 0; i + 1 < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) out(i, j) = a(i < row ? i : i + 1, j);
  return out;
}

TEST(RidgeFit, LeveragesGiveLeaveOneOutResiduals) {
  on_every_isa([] {
    for (const auto& [p, r, lambda] : {std::tuple{37, 9, 0.0}, {12, 20, 0.05}, {40, 13, 1e-3}}) {
      const Case data(p, r, 1, lambda, 31);
      const RidgeFit fit = data.fit();
      const std::vector<float> leverage = fit.leverages(1), out = solved(fit, data);
      const Table f = data.f(), t = data.t(), c = table(out, r, 1, data.stride());
      const Table fitted = product(f, c);
      for (std::int64_t i = 0; i < p; ++i) {
        const Table refit = product(f, ridge(without(f, i), without(t, i), data.mu()));
        const Real h = static_cast<Real>(leverage[static_cast<std::size_t>(i)]);
        EXPECT_GE(h, 0.0L);
        EXPECT_LT(h, 1.0L);
        EXPECT_NEAR(static_cast<double>((t(i, 0) - fitted(i, 0)) / (1 - h)),
                    static_cast<double>(t(i, 0) - refit(i, 0)), 1e-3);
      }
    }
  });
}

// The header's formula for dF and dT against central differences of the reference.
TEST(RidgeFit, AdjointIsTheDerivative) {
  const Case data(23, 8, 3, 0.02, 41);
  Draw draw(42);
  const RidgeFit fit = data.fit();
  const std::vector<float> weight = random_floats(draw, data.r * data.c);
  std::vector<float> solution(weight.size());
  fit.apply_inverse(weight.data(), data.c, data.c, solution.data(), data.c, 1);
  const Table f = data.f(), t = data.t(), w = table(weight, data.r, data.c, data.c);
  const Table z = table(solution, data.r, data.c, data.c);
  const Table c = table(solved(fit, data), data.r, data.c, data.stride());
  const Table df = table(random_floats(draw, data.p * data.r), data.p, data.r, data.r);
  const Table dt = table(random_floats(draw, data.p * data.c), data.p, data.c, data.c);
  const auto loss = [&](Real step) {
    Table fs = f, ts = t;
    for (std::size_t i = 0; i < fs.data.size(); ++i) fs.data[i] += step * df.data[i];
    for (std::size_t i = 0; i < ts.data.size(); ++i) ts.data[i] += step * dt.data[i];
    return inner(w, ridge(fs, ts, static_cast<Real>(data.lambda) * mean_square(fs)));
  };
  const Real expected = (loss(1e-5L) - loss(-1e-5L)) / 2e-5L;
  // <dF, T Z^T> = <dF Z, T>, and so on.
  const Real derivative =
      inner(dt, product(f, z)) + inner(product(df, z), t) - inner(product(df, z), product(f, c)) -
      inner(product(df, c), product(f, z)) -
      2 * static_cast<Real>(data.lambda) / static_cast<Real>(data.r) * inner(z, c) * inner(f, df);
  EXPECT_NEAR(static_cast<double>(derivative), static_cast<double>(expected),
              1e-4 * std::fabs(static_cast<double>(expected)));
}

TEST(RidgeFit, SameBitsForAnyThreads) {
  on_every_isa([] {
    const Case data(150, 140, 200, 1e-3, 51);
    const RidgeFit one = data.fit(1);
    const std::vector<float> expected = solved(one, data, 1), leverages = one.leverages(1);
    for (const int threads : {2, 3, 8}) {
      const RidgeFit fit = data.fit(threads);
      EXPECT_EQ(fit.ridge(), one.ridge());
      EXPECT_EQ(solved(fit, data, threads), expected);
      EXPECT_EQ(fit.leverages(threads), leverages);
      std::vector<float> a(expected.size()), b(expected.size());
      one.apply_inverse(expected.data(), data.stride(), data.c, a.data(), data.stride(), 1);
      fit.apply_inverse(expected.data(), data.stride(), data.c, b.data(), data.stride(), threads);
      EXPECT_EQ(a, b);
    }
  });
}

// Many targets at once: each gets the bits that it gets alone, and a NaN stays in its column.
TEST(RidgeFit, ColumnsDoNotMeet) {
  on_every_isa([] {
    Case data(30, 11, 10000, 1e-2, 61);
    const RidgeFit fit = data.fit();
    const std::vector<float> all = solved(fit, data, 2);
    for (const std::int64_t j : {0, 1, 31, 32, 5003, 9999}) {
      std::vector<float> alone(static_cast<std::size_t>(data.r));
      fit.solve(data.targets.data() + j, data.stride(), 1, alone.data(), 1, 1);
      for (std::int64_t i = 0; i < data.r; ++i)
        EXPECT_EQ(alone[static_cast<std::size_t>(i)],
                  all[static_cast<std::size_t>(i * data.stride() + j)]);
    }
    data.targets[33] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> spoilt = solved(fit, data, 2);
    for (std::size_t i = 0; i < all.size(); ++i)
      if (static_cast<std::int64_t>(i) % data.stride() == 33) {
        EXPECT_TRUE(std::isnan(spoilt[i]));
      } else {
        EXPECT_EQ(spoilt[i], all[i]);
      }
  });
}

TEST(RidgeFit, ZeroFeaturesGiveZero) {
  Case data(20, 6, 4, 0, 71);
  std::fill(data.features.begin(), data.features.end(), 0.0F);
  for (const double lambda : {0.0, 0.1}) {
    data.lambda = lambda;
    const RidgeFit fit = data.fit();
    ASSERT_TRUE(fit.ok());
    EXPECT_EQ(inner(table(solved(fit, data), 6, 4, data.stride()), Table(6, 4)), 0.0L);
    for (const float x : solved(fit, data)) EXPECT_TRUE(x == 0.0F || x == kCanary);
    for (const float h : fit.leverages(2)) EXPECT_EQ(h, 0.0F);
    std::vector<float> out(24, kCanary);
    fit.apply_inverse(data.targets.data(), 4, 4, out.data(), 4, 1);
    for (const float x : out) EXPECT_EQ(x, 0.0F);
  }
}

TEST(RidgeFit, SaysWhenThereIsNoFit) {
  on_every_isa([] {
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {infinity, -infinity, std::nanf(""), 1e30F})
      for (const std::int64_t at : {0, 99, 700, 1399}) {
        Case data(20, 70, 1, 0.1, 81);
        data.features[static_cast<std::size_t>(at)] = bad;
        EXPECT_FALSE(data.fit(2).ok()) << bad << " at " << at;
      }
    EXPECT_FALSE(Case(10, 11, 1, 0, 82).fit().ok());  // fewer rows than features
    Case tiny(20, 6, 1, 0.1, 84);
    for (float& f : tiny.features) f *= 1e-30F;  // squares vanish in f32
    EXPECT_FALSE(tiny.fit().ok());
  });
}

// A column that two others give: what rounding leaves of its pivot may well be positive.
TEST(RidgeFit, DependentFeaturesNeedARidge) {
  on_every_isa([] {
    for (std::uint64_t seed = 100; seed < 130; ++seed) {
      Case data(200, 12, 1, 0, seed);
      EXPECT_TRUE(data.fit().ok());
      for (std::size_t i = 0; i < 200; ++i) {
        float* row = data.features.data() + i * 12;
        row[9] = 0.3F * row[2] + 0.7F * row[5];
      }
      EXPECT_FALSE(data.fit().ok()) << seed;
      data.lambda = 1e-3;
      EXPECT_TRUE(data.fit().ok());
    }
  });
}

TEST(RidgeFit, RefusesBadArguments) {
  const Case data(10, 11, 1, 0, 91);
  const float* f = data.features.data();
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(RidgeFit(f, 0, 3, 0.1, 1), Error);
  EXPECT_THROW(RidgeFit(f, 3, 0, 0.1, 1), Error);
  for (const double lambda : {-0.1, nan, infinity})
    EXPECT_THROW(RidgeFit(f, 3, 3, lambda, 1), Error);
  const RidgeFit none = data.fit();
  ASSERT_FALSE(none.ok());
  std::vector<float> out(11);
  EXPECT_THROW(none.solve(f, 1, 1, out.data(), 1, 1), Error);
  EXPECT_THROW(none.apply_inverse(f, 1, 1, out.data(), 1, 1), Error);
  EXPECT_THROW(none.leverages(1), Error);
}

}  // namespace
}  // namespace subquad::testing
