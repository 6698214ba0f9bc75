// GELU, layer norm and addition against double loops, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/elementwise.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

double plain_gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

TEST(KernelsElementwise, Gelu) {
  on_every_isa([] {
    std::vector<float> x;
    for (int i = -12'000; i <= 12'003; ++i) x.push_back(static_cast<float>(i) * 1e-3F);
    std::vector<float> y = x;
    kernels::gelu(y.data(), std::ssize(y));
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], plain_gelu(static_cast<double>(x[i])),
                  3e-7 * std::max(1.0F, std::fabs(x[i])))
          << x[i];
  });
}

TEST(KernelsElementwise, GeluAtTheEnds) {
  on_every_isa([] {
    std::vector<float> x{0.0F, 1e30F, -1e30F, infinity, std::nanf("")};
    kernels::gelu(x.data(), std::ssize(x));
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
  kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, width, y);
  for (std::int64_t c = 0; c < width; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double expected = (static_cast<double>(x[i]) - mean) / std::sqrt(variance + 1e-6) *
                                static_cast<double>(weight[i]) +
                            static_cast<double>(bias[i]);
    ASSERT_NEAR(y[c], expected, 1e-5) << "width " << width << " channel " << c;
  }
  EXPECT_EQ(y[width], canary);
}

TEST(KernelsElementwise, LayerNorm) {
  on_every_isa([] {
    for (const std::int64_t width : {2, 3, 7, 8, 24, 33, 192, 385}) check_layer_norm(width);
  });
}

TEST(KernelsElementwise, LayerNormOfEqualChannelsIsTheBias) {
  const std::vector<float> x(20, 3.5F), weight(20, 2.0F), bias(20, -1.25F);
  std::vector<float> y(20);
  kernels::layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, 20, y.data());
  for (const float value : y) EXPECT_EQ(value, -1.25F);
}

TEST(KernelsElementwise, Add) {
  on_every_isa([] {
    for (const std::int64_t count : {1, 5, 16, 37}) {
      std::vector<float> x(static_cast<std::size_t>(count)), y(x.size() + 1, 10.0F);
      for (std::size_t c = 0; c < x.size(); ++c) x[c] = static_cast<float>(c);
      kernels::add(x.data(), count, y.data());
      for (std::size_t c = 0; c < x.size(); ++c) EXPECT_EQ(y[c], 10.0F + static_cast<float>(c));
      EXPECT_EQ(y.back(), 10.0F);
    }
  });
}

}  // namespace
}  // namespace subquad::testing
