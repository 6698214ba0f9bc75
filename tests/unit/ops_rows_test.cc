// Norms and activation functions against double loops, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "ops/nonlinear.h"
#include "ops/norm.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

double plain_gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

TEST(OpsNonlinear, Gelu) {
  on_every_isa([] {
    std::vector<float> x;
    for (int i = -12'000; i <= 12'003; ++i) x.push_back(static_cast<float>(i) * 1e-3F);
    std::vector<float> y = x;
    ops::gelu(y.data(), std::ssize(y));
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], plain_gelu(static_cast<double>(x[i])),
                  3e-7 * std::max(1.0F, std::fabs(x[i])))
          << x[i];
  });
}

TEST(OpsNonlinear, GeluAtTheEnds) {
  on_every_isa([] {
    std::vector<float> x{0.0F, 1e30F, -1e30F, infinity, std::nanf("")};
    ops::gelu(x.data(), std::ssize(x));
    EXPECT_EQ(x[0], 0.0F);
    EXPECT_EQ(x[1], 1e30F);
    EXPECT_EQ(x[2], 0.0F);
    EXPECT_EQ(x[3], infinity);
    EXPECT_TRUE(std::isnan(x[4]));
  });
}

void check_layer_norm(std::int64_t width) {
  Draw draw(static_cast<std::uint64_t>(width));
  std::vector<float> x, weight, bias;
  for (std::int64_t c = 0; c < width; ++c) {
    x.push_back(static_cast<float>(5 + 2 * draw.normal()));
    weight.push_back(static_cast<float>(draw.normal()));
    bias.push_back(static_cast<float>(draw.normal()));
  }
  double mean = 0, variance = 0;
  for (const float value : x) mean += static_cast<double>(value) / static_cast<double>(width);
  for (const float value : x)
    variance += std::pow(static_cast<double>(value) - mean, 2) / static_cast<double>(width);
  const Scratch<float> out = canary_floats(width + 1);
  auto* y = const_cast<float*>(out.data());
  ops::layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, width, y);
  for (std::int64_t c = 0; c < width; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double expected = (static_cast<double>(x[i]) - mean) / std::sqrt(variance + 1e-6) *
                                static_cast<double>(weight[i]) +
                            static_cast<double>(bias[i]);
    ASSERT_NEAR(y[c], expected, 1e-5) << "width " << width << " channel " << c;
  }
  EXPECT_EQ(y[width], canary);
}

TEST(OpsNorm, LayerNorm) {
  on_every_isa([] {
    for (const std::int64_t width : {2, 3, 7, 8, 24, 33, 192, 385}) check_layer_norm(width);
  });
}

TEST(OpsNorm, LayerNormOfEqualChannelsIsTheBias) {
  const std::vector<float> x(20, 3.5F), weight(20, 2.0F), bias(20, -1.25F);
  std::vector<float> y(20);
  ops::layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, 20, y.data());
  for (const float value : y) EXPECT_EQ(value, -1.25F);
}

void check_rms_norm(std::int64_t width) {
  Draw draw(static_cast<std::uint64_t>(width));
  std::vector<float> x, weight;
  double squares = 0;
  for (std::int64_t c = 0; c < width; ++c) {
    x.push_back(static_cast<float>(1 + 2 * draw.normal()));
    weight.push_back(static_cast<float>(draw.normal()));
    squares += std::pow(static_cast<double>(x.back()), 2);
  }
  const Scratch<float> out = canary_floats(width + 1);
  auto* y = const_cast<float*>(out.data());
  ops::rms_norm(x.data(), weight.data(), 1e-3F, width, y);
  const double size = std::sqrt(squares / static_cast<double>(width) + 1e-3);
  for (std::size_t c = 0; c < x.size(); ++c)
    ASSERT_NEAR(y[c], static_cast<double>(x[c]) / size * static_cast<double>(weight[c]), 1e-5)
        << "width " << width << " channel " << c;
  EXPECT_EQ(y[width], canary);
}

TEST(OpsNorm, RmsNorm) {
  on_every_isa([] {
    for (const std::int64_t width : {1, 3, 8, 33, 576}) check_rms_norm(width);
  });
}

TEST(OpsNonlinear, SiluGate) {
  on_every_isa([] {
    std::vector<float> gate, up;
    for (int i = -4'000; i <= 4'003; ++i) {
      gate.push_back(static_cast<float>(i) * 5e-3F);
      up.push_back(static_cast<float>(i % 7));
    }
    std::vector<float> y = gate;
    ops::silu_gate(up.data(), std::ssize(y), y.data());
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const auto x = static_cast<double>(gate[i]);
      const double expected = x / (1 + std::exp(-x)) * static_cast<double>(up[i]);
      ASSERT_NEAR(y[i], expected, 4e-7 * (1 + std::abs(x) / 4) * std::abs(expected)) << x;
    }
  });
}

TEST(OpsNonlinear, SiluGateAtTheEnds) {
  on_every_isa([] {
    std::vector<float> x{0.0F, 1e30F, -1e30F, infinity, std::nanf("")};
    const std::vector<float> up(x.size(), 1.0F);
    ops::silu_gate(up.data(), std::ssize(x), x.data());
    EXPECT_EQ(x[0], 0.0F);
    EXPECT_EQ(x[1], 1e30F);
    EXPECT_EQ(x[2], 0.0F);
    EXPECT_EQ(x[3], infinity);
    EXPECT_TRUE(std::isnan(x[4]));
  });
}

}  // namespace
}  // namespace subquad::testing
