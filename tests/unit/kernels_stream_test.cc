// The decoding kernels against double precision, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/stream.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr DType all_types[] = {DType::f32, DType::bf16, DType::f16};

std::vector<float> random_floats(Draw& draw, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(draw.normal());
  return values;
}

struct Shape {
  DType type;
  std::int64_t rows, keys, width;
  bool gathered;
};

template <typename Body>
void for_shapes(Body body) {
  std::uint64_t seed = 0;
  for (const DType type : all_types)
    for (const std::int64_t rows : {1, 3, 8})
      for (const std::int64_t keys : {1, 2, 63, 64, 65, 130})
        for (const std::int64_t width : {1, 3, 8, 15, 16, 17, 33, 64, 65, 100}) {
          ++seed;
          body(Shape{type, rows, keys, width, seed % 2 == 0}, seed);
          if (::testing::Test::HasFatalFailure()) return;
        }
}

// Stored rows and the source that selects `keys` of them.
struct Keys {
  StoredRows rows;
  std::vector<std::int32_t> ids;
  kernels::RowSource source;

  Keys(Draw& draw, const Shape& shape)
      : rows(draw, shape.type, shape.keys, shape.width, shape.width + draw.integer(0, 7)),
        source(rows.source()) {
    if (!shape.gathered) return;
    ids = random_ids(draw, shape.keys, shape.keys);
    source.ids = ids.data();
  }
  double value(std::int64_t j, std::int64_t c) const {
    return rows.value(ids.empty() ? j : ids[static_cast<std::size_t>(j)], c);
  }
};

void check_scores(const Shape& shape, std::uint64_t seed) {
  Draw draw(seed);
  const Keys keys(draw, shape);
  const std::vector<float> queries = random_floats(draw, shape.rows * shape.width);
  const std::int64_t stride = shape.keys + 3;
  Scratch<float> scores = canary_floats(shape.rows * stride);
  kernels::stream_scores(queries.data(), shape.rows, keys.source, scores.data(), stride);
  for (std::int64_t r = 0; r < shape.rows; ++r)
    for (std::int64_t j = 0; j < stride; ++j) {
      if (j >= shape.keys) {
        ASSERT_EQ(scores[r * stride + j], canary);
        continue;
      }
      double sum = 0, magnitude = 0;
      for (std::int64_t c = 0; c < shape.width; ++c) {
        const double product =
            static_cast<double>(queries[static_cast<std::size_t>(r * shape.width + c)]) *
            keys.value(j, c);
        sum += product;
        magnitude += std::fabs(product);
      }
      const double bound = static_cast<double>(shape.width) * 0x1p-24 * magnitude;
      ASSERT_NEAR(static_cast<double>(scores[r * stride + j]), sum, bound);
    }
}

TEST(KernelsStream, Scores) {
  on_every_isa([] { for_shapes(check_scores); });
}

void check_values(const Shape& shape, std::uint64_t seed) {
  Draw draw(seed);
  const Keys values(draw, shape);
  const std::int64_t stride = shape.keys + 2, o_stride = shape.width + 3;
  const std::vector<float> weights = random_floats(draw, shape.rows * stride);
  const std::vector<float> before = random_floats(draw, shape.rows * o_stride);
  std::vector<float> o = before;
  ASSERT_TRUE(kernels::stream_values(weights.data(), stride, shape.rows, values.source, o.data(),
                                     o_stride));
  for (std::int64_t r = 0; r < shape.rows; ++r)
    for (std::int64_t c = 0; c < o_stride; ++c) {
      const auto at = static_cast<std::size_t>(r * o_stride + c);
      double sum = static_cast<double>(before[at]), magnitude = std::fabs(sum);
      for (std::int64_t j = 0; j < shape.keys && c < shape.width; ++j) {
        const double product =
            static_cast<double>(weights[static_cast<std::size_t>(r * stride + j)]) *
            values.value(j, c);
        sum += product;
        magnitude += std::fabs(product);
      }
      const double bound = static_cast<double>(shape.keys + 1) * 0x1p-24 * magnitude;
      ASSERT_NEAR(static_cast<double>(o[at]), sum, c < shape.width ? bound : 0.0);
    }
}

TEST(KernelsStream, Values) {
  on_every_isa([] { for_shapes(check_values); });
}

void check_finite(DType type, std::int64_t width, double wild) {
  Draw draw(3);
  constexpr std::int64_t keys = 70;
  const std::vector<float> weights(keys, 0.0F);  // a zero weight does not hide it
  StoredRows values(draw, type, keys, width, width);
  for (const std::int64_t j : {0, 1, 63, 64, 69})
    for (std::int64_t c = 0; c < width; ++c) {
      const double tame = values.value(j, c);
      values.set_value(j, c, wild);
      std::vector<float> o(static_cast<std::size_t>(width));
      EXPECT_FALSE(
          kernels::stream_values(weights.data(), keys, 1, values.source(), o.data(), width))
          << name_of(type) << " " << wild << " at " << j << ", " << c << " of " << width;
      values.set_value(j, c, tame);
    }
}

TEST(KernelsStream, WildValuesAreReported) {
  on_every_isa([] {
    for (const DType type : all_types)
      for (const std::int64_t width : {1, 7, 16, 37, 69})
        for (const double wild : {HUGE_VAL, -HUGE_VAL, std::nan("")})
          check_finite(type, width, wild);
  });
}

TEST(KernelsStream, NoKeys) {
  on_every_isa([] {
    std::vector<float> o(5, 1.5F);
    const kernels::RowSource none{nullptr, DType::f32, 5, 5, nullptr, 0, 0};
    EXPECT_TRUE(kernels::stream_values(nullptr, 0, 1, none, o.data(), 5));
    EXPECT_EQ(o, std::vector<float>(5, 1.5F));
  });
}

}  // namespace
}  // namespace subquad::testing
