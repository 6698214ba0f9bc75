// Linear layers of stored weights, and log-sum-exp, against plain double loops.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels_support.h"
#include "llama/linear.h"
#include "ops/activations.h"
#include "ops/log_sum_exp.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

using llama::WeightMatrix;
using llama::WeightType;

// A matrix of 8-bit blocks (scale f16, 32 signed bytes), and what it stands for.
struct BlockMatrix {
  std::vector<std::byte> bytes;
  std::vector<double> values;  // (rows, cols)
  WeightMatrix matrix;

  BlockMatrix(Draw& draw, std::int64_t rows, std::int64_t cols) {
    for (std::int64_t block = 0; block < rows * cols / 32; ++block) add_block(draw);
    matrix = {WeightType::q8_0, bytes.data(), rows, cols};
  }
  void add_block(Draw& draw) {
    const std::uint16_t scale = 0x2000;  // 2^-7
    const auto* from = reinterpret_cast<const std::byte*>(&scale);
    bytes.insert(bytes.end(), from, from + sizeof scale);
    for (int i = 0; i < 32; ++i) {
      const auto entry = static_cast<std::int8_t>(draw.integer(-127, 127));
      bytes.push_back(static_cast<std::byte>(entry));
      values.push_back(std::ldexp(entry, -7));
    }
  }
};

void check_product(const WeightMatrix& matrix, const std::vector<double>& values, std::int64_t rows,
                   bool with_bias, int threads) {
  Draw draw(static_cast<std::uint64_t>(rows));
  ops::Activations x(rows, matrix.cols), y(rows, llama::padded_outputs(matrix.rows) + 1);
  std::vector<float> bias;
  for (std::int64_t r = 0; r < rows; ++r) {
    y.rows().row(r)[y.rows().stride - 1] = canary;
    for (std::int64_t c = 0; c < matrix.cols; ++c)
      x.rows().row(r)[c] = static_cast<float>(draw.normal());
  }
  for (std::int64_t o = 0; with_bias && o < matrix.rows; ++o)
    bias.push_back(static_cast<float>(draw.normal()));
  llama::multiply(matrix, bias, x.rows(), y.rows(), threads);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < matrix.rows; ++o) {
      double sum = with_bias ? static_cast<double>(bias[static_cast<std::size_t>(o)]) : 0;
      for (std::int64_t c = 0; c < matrix.cols; ++c)
        sum += values[static_cast<std::size_t>(o * matrix.cols + c)] *
               static_cast<double>(x.rows().row(r)[c]);
      ASSERT_NEAR(y.rows().row(r)[o], sum, 1e-4) << "rows " << rows << " at " << r << ", " << o;
    }
    ASSERT_EQ(y.rows().row(r)[y.rows().stride - 1], canary);
  }
}

TEST(LlamaLinear, BlocksOfEightBits) {
  Draw draw(1);
  const BlockMatrix weight(draw, 150, 96);
  on_every_isa([&] {
    for (const std::int64_t rows : {1, 2, 13, 300})
      check_product(weight.matrix, weight.values, rows, rows % 2 == 1, 3);
  });
}

TEST(LlamaLinear, FullPrecisionOfAnyWidth) {
  Draw draw(2);
  for (const std::int64_t cols : {1, 7, 33}) {
    std::vector<float> weights;
    std::vector<double> values;
    for (std::int64_t i = 0; i < 45 * cols; ++i) {
      weights.push_back(static_cast<float>(draw.normal()));
      values.push_back(static_cast<double>(weights.back()));
    }
    const WeightMatrix matrix{WeightType::f32, reinterpret_cast<const std::byte*>(weights.data()),
                              45, cols};
    for (const std::int64_t rows : {1, 5, 140}) check_product(matrix, values, rows, true, 2);
  }
}

// More rows and weights than one item takes.
TEST(LlamaLinear, ThreadsAndCompanyChangeNoBit) {
  Draw draw(3);
  const BlockMatrix weight(draw, 300, 1024);
  ops::Activations x(600, 1024), all(600, 304), one(600, 304), part(7, 304);
  for (std::int64_t i = 0; i < x.rows().count * x.rows().stride; ++i)
    x.rows().data[i] = static_cast<float>(draw.normal());
  llama::multiply(weight.matrix, {}, x.rows(), all.rows(), 3);
  llama::multiply(weight.matrix, {}, x.rows(), one.rows(), 1);
  llama::multiply(weight.matrix, {}, x.rows().slice(290, 7), part.rows(), 2);
  const auto same = [](const float* a, const float* b) { return std::equal(a, a + 300, b); };
  for (std::int64_t r = 0; r < 600; ++r)
    ASSERT_TRUE(same(all.rows().row(r), one.rows().row(r))) << r;
  for (std::int64_t r = 0; r < 7; ++r)
    ASSERT_TRUE(same(part.rows().row(r), all.rows().row(290 + r))) << r;
}

TEST(OpsLogSumExp, MatchesPlainLoops) {
  on_every_isa([] {
    for (const std::int64_t count : {1, 5, 16, 1024, 5003}) {
      Draw draw(static_cast<std::uint64_t>(count));
      std::vector<float> x;
      double sum = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        x.push_back(static_cast<float>(80 + 4 * draw.normal()));
        sum += std::exp(static_cast<double>(x.back()));
      }
      ASSERT_NEAR(ops::log_sum_exp(x.data(), count), std::log(sum), 1e-6) << count;
    }
  });
}

TEST(OpsLogSumExp, AtTheEnds) {
  const std::vector<float> none(3, -infinity), large{3e38F, 0.0F};
  EXPECT_EQ(ops::log_sum_exp(none.data(), 3), -static_cast<double>(infinity));
  EXPECT_EQ(ops::log_sum_exp(none.data(), 0), -static_cast<double>(infinity));
  EXPECT_EQ(ops::log_sum_exp(large.data(), 2), static_cast<double>(3e38F));
}

}  // namespace
}  // namespace subquad::testing
