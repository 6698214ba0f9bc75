// KMV against plain loops: the reduction of attention to a Gaussian kernel on real layers, kernel
// sums by the theorem's constants and by the practical ones.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "index/gaussian_lift.h"
#include "kernels/half.h"
#include "subquad/io.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "support/kernel_clouds.h"
#include "support/planted_kernels.h"
#include "support/test_data.h"

namespace subquad::testing {
namespace {

// Rows of the first head of a tensor.
std::vector<float> read_head(const io::Tensor& from, std::int64_t tokens) {
  std::vector<float> rows;
  for (std::int64_t i = 0; i < tokens * from.shape[2]; ++i)
    rows.push_back(from.type == io::ElementType::f32
                       ? static_cast<const float*>(from.data)[i]
                       : f16_to_f32(static_cast<const std::uint16_t*>(from.data)[i]));
  return rows;
}

double dot(const float* a, const float* b, std::int64_t dim) {
  double sum = 0;
  for (std::int64_t c = 0; c < dim; ++c) sum += double{a[c]} * b[c];
  return sum;
}

double squared_distance(const float* a, const float* b, std::int64_t dim) {
  double sum = 0;
  for (std::int64_t c = 0; c < dim; ++c) sum += (double{a[c]} - b[c]) * (double{a[c]} - b[c]);
  return sum;
}

// Of sums_j exp(scale <q, k_j>) x_j, x of both signs, relative to sum_j exp(scale <q, k_j>) |x_j|.
double worst_error(const std::vector<float>& q, const std::vector<float>& k, std::int64_t dim,
                   double scale) {
  const auto n = std::ssize(k) / dim;
  const GaussianReduction made = reduce_attention(q.data(), n, k.data(), n, dim, scale);
  double worst = 0;
  for (std::int64_t i = 0; i < n; i += 7) {
    double reduced = 0, plain = 0, size = 0, top = -HUGE_VAL;
    for (std::int64_t j = 0; j < n; ++j)
      top = std::max(top, scale * dot(&q[static_cast<std::size_t>(i * dim)],
                                      &k[static_cast<std::size_t>(j * dim)], dim));
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = j % 3 == 0 ? -1 : 1;
      const double score = scale * dot(&q[static_cast<std::size_t>(i * dim)],
                                       &k[static_cast<std::size_t>(j * dim)], dim);
      const double square = squared_distance(made.queries.data() + i * made.dim,
                                             made.keys.data() + j * made.dim, made.dim) /
                            (made.bandwidth * made.bandwidth);
      plain += x * std::exp(score - top);
      size += std::exp(score - top);
      reduced += x * std::exp(made.log_factor[static_cast<std::size_t>(i)] - square / 2 - top);
    }
    worst = std::max(worst, std::abs(reduced - plain) / size);
  }
  return worst;
}

TEST(KmvReduction, RealLayersAreGaussianKernels) {
  const std::string folder = shared_data("qkv");
  if (folder.empty()) GTEST_SKIP() << "no shared/data/qkv";
  for (const char* name :
       {"deit_tiny_1024_block00", "deit_tiny_1024_block05", "deit_tiny_1024_block11",
        "stories260k_layer0", "stories260k_layer4", "smollm2_135m_wikitext_8192_layer02",
        "smollm2_135m_wikitext_8192_layer25"}) {
    const auto file = io::TensorFile::open(folder + "/" + name + ".safetensors");
    const std::int64_t dim = file.at("q").shape[2];
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    EXPECT_LE(worst_error(read_head(file.at("q"), 500), read_head(file.at("k"), 500), dim, scale),
              1e-5)
        << name;
  }
}

// Far from the origin, and with a scale that turns the scores round.
TEST(KmvReduction, ShiftedKeysAndNegativeScales) {
  Draw draw(3);
  std::vector<float> q, k;
  for (int i = 0; i < 200 * 8; ++i) {
    q.push_back(static_cast<float>(draw.normal()));
    k.push_back(static_cast<float>(draw.normal() + 3));
  }
  for (const double scale : {0.35, -0.35}) EXPECT_LE(worst_error(q, k, 8, scale), 1e-5) << scale;
}

// |out - exact|_F / |x|_F by a plain loop.
double error_over_x(const KernelCloud& cloud, const TensorBuffer& out) {
  double error = 0, size = 0;
  const std::int64_t channels = cloud.value.shape()[3];
  for (std::int64_t i = 0; i < cloud.query.shape()[2]; ++i) {
    const PlainSums plain = plain_sums(cloud, 0, 0, i);
    for (std::int64_t c = 0; c < channels; ++c) {
      const double miss = out.get(0, 0, i, c) - plain.sum[static_cast<std::size_t>(c)];
      error += miss * miss;
    }
  }
  cloud.value.for_each([&](auto b, auto h, auto j, auto c) {
    size += cloud.value.get(b, h, j, c) * cloud.value.get(b, h, j, c);
  });
  return std::sqrt(error / size);
}

TEST(Kmv, TheoremHoldsItsBound) {
  for (const PlantedX x : all_planted_x) {
    const KernelCloud cloud = planted_kernels({.keys = 60, .dim = 48, .cluster = 5}, x, 4);
    const KernelRun run = run_kernel_sums(cloud.problem(), "kmv(eps=1,mode=theorem)");
    EXPECT_EQ(run.report.path, "kmv:theorem");
    EXPECT_LE(error_over_x(cloud, run.out), 1) << static_cast<int>(x);
  }
}

TEST(Kmv, PracticalHoldsItsBoundForSeveralColumns) {
  KernelCloud cloud =
      planted_kernels({.keys = 1500, .dim = 48, .cluster = 6, .channels = 3}, PlantedX::normal, 5);
  const KernelRun run = run_kernel_sums(cloud.problem(), "kmv(eps=1,always=true)");
  EXPECT_EQ(run.report.path, "kmv");
  const double error = error_over_x(cloud, run.out);
  EXPECT_GT(error, 1e-4);
  EXPECT_LE(error, 1);
  EXPECT_LE(run.report.estimated_error, 0.5);  // |Kx| is twice |x| here
}

TEST(Kmv, ThreadsDoNotChangeABit) {
  const KernelCloud cloud =
      planted_kernels({.keys = 1500, .dim = 48, .cluster = 6}, PlantedX::normal, 6);
  const KernelRun one = run_kernel_sums(cloud.problem(), "kmv(eps=1,always=true)", {.threads = 1});
  const KernelRun many = run_kernel_sums(cloud.problem(), "kmv(eps=1,always=true)", {.threads = 5});
  EXPECT_EQ(one.out.words(), many.out.words());
  EXPECT_EQ(one.report.scored_entries, many.report.scored_entries);
}

TEST(Kmv, DegenerateInputs) {
  const auto sums = [](std::int64_t queries, std::int64_t keys, const char* spec) {
    const KernelCloud cloud =
        normal_cloud({.queries = queries, .keys = keys, .dim = 2, .channels = 1}, 1, 7);
    const KernelRun run = run_kernel_sums(cloud.problem(), spec);
    return queries > 0 ? error_over_x(cloud, run.out) : 0.0;
  };
  for (const char* spec : {"kmv(eps=1,always=true)", "kmv(eps=3,mode=theorem)"})
    for (const std::int64_t keys : {1, 2, 3, 30})
      for (const std::int64_t queries : {0, 1, 20}) EXPECT_LE(sums(queries, keys, spec), 3) << spec;
}

TEST(Kmv, ZerosGiveZeros) {
  KernelCloud cloud = planted_kernels({.keys = 100, .dim = 3, .cluster = 5}, PlantedX::ones, 8);
  cloud.value.fill([] { return 0.0; });
  const KernelRun run = run_kernel_sums(cloud.problem(), "kmv(always=true)");
  run.out.for_each([&](auto b, auto h, auto i, auto c) { EXPECT_EQ(run.out.get(b, h, i, c), 0); });
}

TEST(Kmv, ValuesThatAreNotFiniteRunExactly) {
  KernelCloud cloud = planted_kernels({.keys = 100, .dim = 3, .cluster = 5}, PlantedX::ones, 9);
  cloud.value.set(0, 0, 4, 0, std::nan(""));
  EXPECT_EQ(run_kernel_sums(cloud.problem(), "kmv(always=true)").report.path, "kmv:exact(values)");
}

TEST(Kmv, BadArgumentsAreNamed) {
  const KernelCloud cloud =
      planted_kernels({.keys = 5000, .dim = 3, .cluster = 5}, PlantedX::ones, 10);
  const auto run = [&](const char* spec) { run_kernel_sums(cloud.problem(), spec); };
  expect_invalid("eps", [&] { run("kmv(eps=0)"); });
  expect_invalid("delta", [&] { run("kmv(delta=0.6)"); });
  expect_invalid("mode", [&] { run("kmv(mode=fast)"); });
  expect_invalid("hash tables", [&] { run("kmv(mode=theorem)"); });
  expect_invalid("draws", [&] {
    const KernelCloud wide =
        planted_kernels({.keys = 500, .dim = 2, .cluster = 250}, PlantedX::ones, 10);
    run_kernel_sums(wide.problem(), "kmv(eps=0.001,mode=theorem)");
  });
}

}  // namespace
}  // namespace subquad::testing
