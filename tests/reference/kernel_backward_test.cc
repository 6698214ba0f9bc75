// kernel_sums_backward() against central differences of a plain double-precision loss.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/kernel_sums.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "support/kernel_clouds.h"

namespace subquad::testing {
namespace {

struct Gradients {
  TensorBuffer query, key, value;
  std::vector<double> bandwidth;
};

Gradients run_backward(const KernelCloud& cloud, const TensorBuffer& grad_out, int threads = 0) {
  Gradients g{{DType::f32, cloud.query.shape()},
              {DType::f32, cloud.key.shape()},
              {DType::f32, cloud.value.shape()},
              std::vector<double>(cloud.bandwidths.empty() ? 1 : cloud.bandwidths.size())};
  kernel_sums_backward(cloud.problem(),
                       {grad_out.view(), g.query.mutable_view(), g.key.mutable_view(),
                        g.value.mutable_view(), g.bandwidth},
                       {.threads = threads});
  return g;
}

// sum of grad_out y, and of the sizes of its terms.
struct Loss {
  double value = 0, size = 0;
};

Loss plain_loss(const KernelCloud& cloud, const TensorBuffer& grad_out) {
  Loss loss;
  for (std::int64_t h = 0; h < grad_out.shape()[1]; ++h)
    for (std::int64_t i = 0; i < grad_out.shape()[2]; ++i) {
      const PlainSums row = plain_sums(cloud, 0, h, i);
      for (std::size_t c = 0; c < row.sum.size(); ++c) {
        const double g = grad_out.get(0, h, i, static_cast<std::int64_t>(c));
        loss.value += g * row.sum[c];
        loss.size += std::abs(g) * row.size[c];
      }
    }
  return loss;
}

// Of the loss by a number that move(step) shifts, after what it was; f32 storage moves in f32, so
// that move() returns the step that it made.
double slope(const KernelCloud& cloud, const TensorBuffer& grad_out,
             const std::function<double(double)>& move) {
  constexpr double kStep = 0x1p-10;
  const double up = move(kStep), above = plain_loss(cloud, grad_out).value;
  const double down = move(-kStep), below = plain_loss(cloud, grad_out).value;
  move(0);
  return (above - below) / (up - down);
}

double slope_at(KernelCloud& cloud, TensorBuffer& tensor, const TensorBuffer& grad_out,
                const Shape4& at) {
  const double was = tensor.get(at[0], at[1], at[2], at[3]);
  return slope(cloud, grad_out, [&](double step) {
    tensor.set(at[0], at[1], at[2], at[3], was + step);
    return tensor.get(at[0], at[1], at[2], at[3]) - was;
  });
}

TensorBuffer normal_like(const KernelCloud& cloud, std::uint64_t seed) {
  TensorBuffer out(DType::f32,
                   {1, cloud.query.shape()[1], cloud.query.shape()[2], cloud.value.shape()[3]});
  Draw draw(seed);
  out.fill([&] { return draw.normal(); });
  return out;
}

void check(KernelCloud cloud, std::uint64_t seed) {
  const TensorBuffer grad_out = normal_like(cloud, seed);
  const Gradients g = run_backward(cloud, grad_out);
  Draw draw(seed + 1);
  struct Side {
    TensorBuffer* tensor;
    const TensorBuffer* gradient;
  };
  for (const Side& side :
       {Side{&cloud.query, &g.query}, Side{&cloud.key, &g.key}, Side{&cloud.value, &g.value}})
    for (int t = 0; t < 6; ++t) {
      const Shape4& shape = side.tensor->shape();
      const Shape4 at{0, draw.integer(0, shape[1] - 1), draw.integer(0, shape[2] - 1),
                      draw.integer(0, shape[3] - 1)};
      const double wanted = slope_at(cloud, *side.tensor, grad_out, at);
      // The step's own error is some 1e-6 of the third derivative.
      EXPECT_NEAR(side.gradient->get(0, at[1], at[2], at[3]), wanted,
                  1e-4 * (1 + std::abs(wanted)));
    }
  const double size = plain_loss(cloud, grad_out).size;
  std::vector<double> one{cloud.bandwidth};
  std::vector<double>& all = cloud.bandwidths.empty() ? one : cloud.bandwidths;
  for (std::size_t c = 0; c < all.size(); ++c) {
    const double was = all[c];
    const double wanted = slope(cloud, grad_out, [&](double step) {
      all[c] = was * (1 + step);
      cloud.bandwidth = one[0];
      return was * step;
    });
    EXPECT_NEAR(g.bandwidth[c], wanted, 1e-5 * size / was);
  }
}

TEST(KernelBackward, IsTheSlopeOfAPlainLoss) {
  for (const std::int64_t dim : {1, 3, 24})
    check(normal_cloud({.heads = 2, .queries = 40, .keys = 70, .dim = dim, .channels = 3},
                       0.5 + 0.1 * static_cast<double>(dim), 41),
          42);
}

TEST(KernelBackward, ABandwidthForEachChannel) {
  KernelCloud cloud = normal_cloud({.queries = 50, .keys = 60, .dim = 3, .channels = 11}, 1, 43);
  cloud.bandwidths = {0.7, 1.9, 40};
  check(cloud, 44);
}

// All rows and tiles: sums over many keys against the plain formula.
TEST(KernelBackward, ManyQueriesAndKeys) {
  const KernelCloud cloud =
      normal_cloud({.queries = 900, .keys = 1100, .dim = 2, .channels = 2}, 0.4, 45);
  const TensorBuffer grad_out = normal_like(cloud, 46);
  const Gradients g = run_backward(cloud, grad_out);
  for (std::int64_t i = 0; i < 900; i += 89) {
    double wanted = 0, size = 0;
    for (std::int64_t k = 0; k < 1100; ++k) {
      const double gx = grad_out.get(0, 0, i, 0) * cloud.value.get(0, 0, k, 0) +
                        grad_out.get(0, 0, i, 1) * cloud.value.get(0, 0, k, 1);
      const double term = std::exp(plain_exponent(cloud, 0, 0, i, k)) * gx *
                          (cloud.key.get(0, 0, k, 1) - cloud.query.get(0, 0, i, 1)) / 0.16;
      wanted += term;
      size += std::abs(term);
    }
    EXPECT_NEAR(g.query.get(0, 0, i, 1), wanted, 1e-5 * size);
  }
  const Gradients other = run_backward(cloud, grad_out, 3);
  EXPECT_EQ(g.query.words(), other.query.words());
  EXPECT_EQ(g.key.words(), other.key.words());
  EXPECT_EQ(g.value.words(), other.value.words());
  EXPECT_EQ(g.bandwidth, other.bandwidth);
}

TEST(KernelBackward, WhatIsNotFinite) {
  KernelCloud cloud = normal_cloud({.queries = 6, .keys = 7, .dim = 2, .channels = 1}, 1, 47);
  const TensorBuffer grad_out = normal_like(cloud, 48);
  cloud.query.set(0, 0, 1, 0, std::numeric_limits<double>::infinity());
  cloud.key.set(0, 0, 2, 0, -std::numeric_limits<double>::infinity());
  const Gradients far = run_backward(cloud, grad_out);
  for (std::int64_t d = 0; d < 2; ++d) {
    EXPECT_EQ(far.query.get(0, 0, 1, d), 0);
    EXPECT_EQ(far.key.get(0, 0, 2, d), 0);
    EXPECT_TRUE(std::isfinite(far.query.get(0, 0, 0, d)));
  }
  EXPECT_EQ(far.value.get(0, 0, 2, 0), 0);
  cloud.key.set(0, 0, 3, 1, std::numeric_limits<double>::quiet_NaN());
  const Gradients nan = run_backward(cloud, grad_out);
  EXPECT_TRUE(std::isnan(nan.query.get(0, 0, 0, 0)));
  EXPECT_TRUE(std::isnan(nan.key.get(0, 0, 3, 0)));
  EXPECT_FALSE(std::isnan(nan.key.get(0, 0, 4, 0)));
  EXPECT_TRUE(std::isnan(nan.bandwidth[0]));
}

TEST(KernelBackward, ChecksItsArguments) {
  const KernelCloud cloud = normal_cloud({.queries = 6, .keys = 7, .dim = 2, .channels = 1}, 1, 49);
  const TensorBuffer grad_out = normal_like(cloud, 50);
  TensorBuffer key(DType::f32, {1, 1, 6, 2}), half(DType::f16, {1, 1, 7, 2});
  expect_invalid("grad_out: shape",
                 [&] { kernel_sums_backward(cloud.problem(), {cloud.key.view()}); });
  expect_invalid("grad_key: shape", [&] {
    kernel_sums_backward(cloud.problem(),
                         {.grad_out = grad_out.view(), .grad_key = key.mutable_view()});
  });
  expect_invalid("grad_key: must be f32", [&] {
    kernel_sums_backward(cloud.problem(),
                         {.grad_out = grad_out.view(), .grad_key = half.mutable_view()});
  });
  std::vector<double> two(2);
  expect_invalid("grad_bandwidth: count", [&] {
    kernel_sums_backward(cloud.problem(), {.grad_out = grad_out.view(), .grad_bandwidth = two});
  });
}

}  // namespace
}  // namespace subquad::testing
