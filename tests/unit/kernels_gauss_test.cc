// Gaussian kernels: fused sums, direct sums and series against plain loops, on every instruction
// set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory.h"
#include "kernels/gauss.h"
#include "kernels/gauss_series.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

using kernels::kGaussQueries;

Scratch<float> normal_floats(Draw& draw, std::int64_t count) {
  Scratch<float> data(count);
  for (float& x : data.span()) x = static_cast<float>(draw.normal());
  return data;
}

void check_fused(std::int64_t channels) {
  Draw draw(static_cast<std::uint64_t>(channels));
  constexpr std::int64_t kRows = 5, kColumns = 96;
  Scratch<float> scores = normal_floats(draw, kRows * kColumns),
                 bias = normal_floats(draw, kColumns), half = normal_floats(draw, kRows);
  const Scratch<float> values = normal_floats(draw, channels * kColumns);
  bias[7] = -INFINITY;
  std::vector<double> wanted(static_cast<std::size_t>(kRows * channels), 0.5), sums(wanted);
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t k = 0; k < kColumns; ++k) {
      const double logit = double{scores[r * kColumns + k]} + double{bias[k]} - double{half[r]};
      for (std::int64_t c = 0; c < channels; ++c)
        wanted[static_cast<std::size_t>(r * channels + c)] +=
            std::exp2(std::min(logit, 0.0)) * double{values[c * kColumns + k]};
    }
  const kernels::GaussScores all{scores.data(), kColumns,    kRows,
                                 kColumns,      bias.data(), half.data()};
  kernels::gauss_sums(all, values.data(), kColumns, channels, sums.data());
  for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], wanted[i], 1e-4);
  kernels::gauss_weights(all);
  EXPECT_EQ(scores[7], 0);
}

void check_direct(std::int64_t dim, std::int64_t channels, std::int64_t queries) {
  Draw draw(static_cast<std::uint64_t>(dim + queries));
  constexpr std::int64_t kKeys = 33;
  const Scratch<float> q = normal_floats(draw, dim * kGaussQueries),
                       k = normal_floats(draw, kKeys * dim),
                       x = normal_floats(draw, kKeys * channels);
  Scratch<float> sums(channels * kGaussQueries);
  std::ranges::fill(sums.span(), 0.25f);
  kernels::gauss_direct(q.data(), queries, {k.data(), x.data(), kKeys, dim, channels}, sums.data());
  for (std::int64_t i = 0; i < queries; ++i)
    for (std::int64_t c = 0; c < channels; ++c) {
      double wanted = 0.25;
      for (std::int64_t j = 0; j < kKeys; ++j) {
        double square = 0;
        for (std::int64_t d = 0; d < dim; ++d)
          square += std::pow(double{q[d * kGaussQueries + i]} - double{k[j * dim + d]}, 2);
        wanted += std::exp2(-square) * double{x[j * channels + c]};
      }
      EXPECT_NEAR(sums[c * kGaussQueries + i], wanted, 1e-5) << dim << " " << i;
    }
}

// 20 degrees of a box within half a bandwidth, and queries within two, are exact; fewer of them
// are off by no more than the remainder.
void check_series(std::int64_t dim) {
  Draw draw(static_cast<std::uint64_t>(dim));
  constexpr std::int64_t kKeys = 9, kChannels = 2;
  const std::int64_t degree = dim <= 2 ? 20 : 6;
  kernels::Series series{nullptr, dim, degree, kChannels};
  std::vector<double> moments(
      static_cast<std::size_t>(kChannels * kernels::series_terms(dim, degree)));
  std::vector<double> offsets;
  std::vector<float> values;
  for (std::int64_t j = 0; j < kKeys; ++j) {
    for (std::int64_t d = 0; d < dim; ++d)
      offsets.push_back((draw.unit() - 0.5) / std::sqrt(static_cast<double>(dim)));
    for (std::int64_t c = 0; c < kChannels; ++c) values.push_back(static_cast<float>(draw.unit()));
    kernels::add_moments(offsets.data() + j * dim, values.data() + j * kChannels, series,
                         moments.data());
  }
  series.moments = moments.data();
  Scratch<double> u(dim * kGaussQueries), sums(kChannels * kGaussQueries);
  for (double& x : u.span()) x = 2 * (draw.unit() - 0.5) / std::sqrt(static_cast<double>(dim));
  for (std::int64_t used = 1; used <= degree; ++used) {
    std::ranges::fill(sums.span(), 0.0);
    kernels::gauss_series(u.data(), 40, series, used, sums.data());
    for (std::int64_t i = 0; i < 40; ++i) {
      double wanted = 0, limit = 1e-12;
      for (std::int64_t j = 0; j < kKeys; ++j) {
        double square = 0, product = 0;
        for (std::int64_t d = 0; d < dim; ++d) {
          const double b = offsets[static_cast<std::size_t>(j * dim + d)],
                       q = u[d * kGaussQueries + i];
          square += (q - b) * (q - b);
          product += q * b;
        }
        const double term =
            std::exp(-square / 2) * double{values[static_cast<std::size_t>(2 * j + 1)]};
        const double z = std::abs(product), p = static_cast<double>(used);
        wanted += term;
        limit += term * std::pow(z, p) / std::tgamma(p + 1) * std::exp(z);
      }
      ASSERT_NEAR(sums[kGaussQueries + i], wanted, limit) << dim << " " << used;
    }
  }
}

TEST(KernelsGauss, AgreeWithPlainLoops) {
  on_every_isa([] {
    for (std::int64_t channels = 1; channels <= kernels::kFusedChannels; ++channels)
      check_fused(channels);
    for (const std::int64_t dim : {1, 2, 3, 7})
      for (const std::int64_t queries : {1, 17, 64}) {
        check_direct(dim, 1, queries);
        check_direct(dim, 3, queries);
      }
    for (std::int64_t dim = 1; dim <= kernels::kSeriesDims; ++dim) check_series(dim);
  });
}

}  // namespace
}  // namespace subquad::testing
