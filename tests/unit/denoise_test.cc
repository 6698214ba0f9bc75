// Non-local means of tiny pictures against plain loops in double precision.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>

#include "denoise/nonlocal_means.h"
#include "denoise/picture_noise.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "vit/png.h"
#include "vit/png_bytes.h"

namespace subquad::testing {
namespace {

using denoise::MeansOptions;
using denoise::MeansReport;
using denoise::OwnWeight;

// Stripes with noise: pixels with and without many others like them.
vit::Image striped(std::int64_t width, std::int64_t height, std::uint64_t seed) {
  Draw draw(seed);
  vit::Image image{width, height, {}};
  for (std::int64_t i = 0; i < width * height * 3; ++i) {
    const double level = (i / 3) % width % 4 < 2 ? 70 : 170;
    image.pixels.push_back(
        static_cast<std::uint8_t>(std::clamp(level + 12 * draw.normal(), 0.0, 255.0)));
  }
  return image;
}

// The pixel beyond an edge is the one as far inside it, the edge's own first.
std::int64_t mirrored_place(std::int64_t x, std::int64_t size) {
  while (x < 0 || x >= size) x = x < 0 ? -1 - x : 2 * size - 1 - x;
  return x;
}

double plain_distance(const vit::Image& image, std::int64_t a, std::int64_t b, std::int64_t side) {
  const std::int64_t w = image.width, h = image.height, reach = side / 2;
  double square = 0;
  for (std::int64_t dy = -reach; dy <= reach; ++dy)
    for (std::int64_t dx = -reach; dx <= reach; ++dx) {
      const auto place = [&](std::int64_t p) {
        return 3 * (mirrored_place(p / w + dy, h) * w + mirrored_place(p % w + dx, w));
      };
      for (std::int64_t c = 0; c < 3; ++c)
        square += std::pow(double{1} * image.pixels[static_cast<std::size_t>(place(a) + c)] -
                               image.pixels[static_cast<std::size_t>(place(b) + c)],
                           2);
    }
  return square / static_cast<double>(3 * side * side);
}

// Before rounding; the pixel's own weight is `own`.
std::vector<double> plain_means(const vit::Image& image, std::int64_t side, double bandwidth,
                                double own) {
  std::vector<double> means;
  const std::int64_t count = image.width * image.height;
  for (std::int64_t i = 0; i < count; ++i) {
    double weights = 0, sums[3] = {};
    for (std::int64_t j = 0; j < count; ++j) {
      const double square = plain_distance(image, i, j, side);
      const double weight = i == j ? own : std::exp(-square / (2 * bandwidth * bandwidth));
      weights += weight;
      for (std::size_t c = 0; c < 3; ++c)
        sums[c] += weight * image.pixels[static_cast<std::size_t>(3 * j) + c];
    }
    for (const double sum : sums) means.push_back(sum / weights);
  }
  return means;
}

// A level is rounded by half of one; f32 sums of 108 pixels add less than 0.01.
void expect_levels(const vit::Image& found, const std::vector<double>& wanted, double off = 0.51) {
  ASSERT_EQ(found.pixels.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found.pixels[i], wanted[i], off) << i;
}

vit::Image means_of(const vit::Image& image, const MeansOptions& options) {
  MeansReport report;
  return denoise::nonlocal_means(image, options, report);
}

TEST(DenoiseMeans, ExactIsAPlainLoop) {
  const vit::Image image = striped(12, 9, 1);
  MeansOptions options{.patch = {.side = 3, .components = 0}, .noise = 12, .bandwidth = 10};
  for (const auto& [own, weight] : {std::pair{OwnWeight::one, 1.0}, std::pair{OwnWeight::none, 0.0},
                                    std::pair{OwnWeight::noise, std::exp(-1.44)}}) {
    options.own = own;
    expect_levels(means_of(image, options), plain_means(image, 3, 10, weight));
  }
}

// Patches that reach beyond both edges, and sides of one.
TEST(DenoiseMeans, SmallPictures) {
  for (const auto& [width, height] : {std::pair{2, 3}, std::pair{1, 7}, std::pair{1, 1}}) {
    const vit::Image image = striped(width, height, 2);
    const MeansOptions options{
        .patch = {.side = 7, .components = 0}, .noise = 12, .bandwidth = 15, .own = OwnWeight::one};
    expect_levels(means_of(image, options), plain_means(image, 7, 15, 1));
  }
}

// All components are a rotation: nothing changes.
TEST(DenoiseMeans, AllComponentsAreThePatchesThemselves) {
  const vit::Image image = striped(12, 9, 3);
  MeansOptions options{.patch = {.side = 3, .components = 27}, .noise = 12, .bandwidth = 10};
  expect_levels(means_of(image, options), plain_means(image, 3, 10, std::exp(-1.44)));
}

// The default takes no more than there are.
TEST(DenoiseMeans, UsualComponents) {
  EXPECT_EQ(denoise::patch_dim({}), 12);
  EXPECT_EQ(denoise::patch_dim({.side = 1}), 3);
  const vit::Image image = striped(12, 9, 3);
  MeansOptions options{.patch = {.side = 1}, .noise = 12, .bandwidth = 10};
  expect_levels(means_of(image, options), plain_means(image, 1, 10, std::exp(-1.44)));
}

// A cluster a key: nothing is approximated, and small sums are summed again.
TEST(DenoiseMeans, FarIsTheSameWhereItHasAClusterForEachPixel) {
  const vit::Image image = striped(12, 9, 4);
  MeansOptions options{.patch = {.side = 3, .components = 0}, .noise = 12, .bandwidth = 10};
  options.method = "far(clusters=108,fit=0)";
  MeansReport report;
  expect_levels(denoise::nonlocal_means(image, options, report),
                plain_means(image, 3, 10, std::exp(-1.44)), 0.6);
  EXPECT_EQ(report.path, "far");
  EXPECT_GT(report.checked, 0);
}

TEST(DenoiseMeans, AttentionIsTheSame) {
  const vit::Image image = striped(12, 9, 4);
  MeansOptions options{.patch = {.side = 3, .components = 0}, .noise = 12, .bandwidth = 10};
  options.attention = "exact";
  expect_levels(means_of(image, options), plain_means(image, 3, 10, std::exp(-1.44)), 0.52);
  options.attention = "topk(k=108)";
  expect_levels(means_of(image, options), plain_means(image, 3, 10, std::exp(-1.44)), 0.52);
}

// Rows that a coarse method gets wrong are exact where their sum is small.
TEST(DenoiseMeans, SmallSumsAreSummedAgain) {
  const vit::Image image = striped(12, 9, 5);
  MeansOptions options{.patch = {.side = 3, .components = 0}, .noise = 12, .bandwidth = 10};
  options.method = "far(clusters=3,fit=0)";
  options.recheck = 1e6;
  MeansReport report;
  expect_levels(denoise::nonlocal_means(image, options, report),
                plain_means(image, 3, 10, std::exp(-1.44)));
  EXPECT_EQ(report.checked, 108);
}

TEST(DenoiseMeans, APixelLikeNoOtherIsKept) {
  vit::Image image{3, 1, {0, 0, 0, 120, 120, 120, 255, 255, 255}};
  MeansOptions options{
      .patch = {.side = 1, .components = 0}, .noise = 0, .bandwidth = 1, .own = OwnWeight::none};
  MeansReport report;
  EXPECT_EQ(denoise::nonlocal_means(image, options, report).pixels, image.pixels);
  EXPECT_EQ(report.kept, 3);
}

TEST(DenoiseMeans, SameBitsForAnyNumberOfThreads) {
  const vit::Image image = striped(20, 20, 6);
  MeansOptions options{.patch = {.side = 3, .components = 4}, .noise = 12, .bandwidth = 10};
  options.method = "far(clusters=16,fit=64)";
  options.run.threads = 1;
  const vit::Image one = means_of(image, options);
  options.run.threads = 3;
  EXPECT_EQ(means_of(image, options).pixels, one.pixels);
}

TEST(DenoiseArguments, EachErrorNamesItsArgument) {
  const vit::Image image = striped(4, 4, 7);
  const auto run = [&](const MeansOptions& options) { means_of(image, options); };
  const MeansOptions good{.patch = {.side = 3, .components = 0}, .noise = 5, .bandwidth = 5};
  const auto with = [&](auto change) {
    MeansOptions options = good;
    change(options);
    return [&run, options] { run(options); };
  };
  for (const std::int64_t side : {0, 2, 15, -3})
    expect_invalid("side:", with([&](MeansOptions& o) { o.patch.side = side; }));
  expect_invalid("components: 28", with([](MeansOptions& o) { o.patch.components = 28; }));
  expect_invalid("components: -2", with([](MeansOptions& o) { o.patch.components = -2; }));
  expect_invalid("noise:", with([](MeansOptions& o) { o.noise = std::nan(""); }));
  expect_invalid("bandwidth:", with([](MeansOptions& o) { o.bandwidth = 0; }));
  expect_invalid("recheck:", with([](MeansOptions& o) { o.recheck = -1; }));
  expect_invalid("'near'", with([](MeansOptions& o) { o.method = "near"; }));
  expect_invalid("near", with([](MeansOptions& o) { o.attention = "near"; }));
}

// 30,000 draws of standard deviation 10: their mean is off by more than 0.4 (6.9 deviations) with
// probability below 1e-11, and rounding adds 1/12 to the variance, which is off by more than 5
// (6.1 of its deviations, 100 sqrt(2 / 30,000)) with probability below 1e-8.
TEST(DenoiseNoise, HasItsSizeAndItsSeed) {
  vit::Image grey{100, 100, std::vector<std::uint8_t>(30000, 128)};
  const vit::Image noisy = denoise::add_noise(grey, 10, 3);
  double sum = 0, square = 0;
  for (const std::uint8_t level : noisy.pixels) {
    sum += level - 128.0;
    square += (level - 128.0) * (level - 128.0);
  }
  EXPECT_NEAR(sum / 30000, 0, 0.4);
  EXPECT_NEAR(square / 30000, 100 + 1.0 / 12, 5);
  EXPECT_NEAR(denoise::psnr(grey, noisy), 10 * std::log10(255 * 255 / (square / 30000)), 1e-9);
  EXPECT_EQ(denoise::add_noise(grey, 10, 3).pixels, noisy.pixels);
  EXPECT_NE(denoise::add_noise(grey, 10, 4).pixels, noisy.pixels);
}

TEST(DenoisePictures, PngBytesAreReadBack) {
  const vit::Image image = striped(5, 3, 8), other = striped(5, 3, 9);
  const auto file = std::filesystem::temp_directory_path() /
                    ("subquad_denoise_" + std::to_string(::getpid()) + ".png");
  std::ofstream(file, std::ios::binary)
      << vit::png_bytes(denoise::side_by_side(image, other, image));
  const vit::Image read = vit::load_png(file.string());
  std::filesystem::remove(file);
  ASSERT_EQ(read.width, 31);
  ASSERT_EQ(read.height, 3);
  for (std::size_t y = 0; y < 3; ++y)
    for (std::size_t x = 0; x < 15; ++x) {
      EXPECT_EQ(read.pixels[y * 93 + x], image.pixels[y * 15 + x]);
      EXPECT_EQ(read.pixels[y * 93 + 39 + x], other.pixels[y * 15 + x]);
    }
  EXPECT_EQ(read.pixels[15], 255);
  expect_invalid("no pixels", [] { vit::png_bytes({}); });
}

}  // namespace
}  // namespace subquad::testing
