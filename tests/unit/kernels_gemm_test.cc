// The matrix kernel against a double-precision product, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/gemm.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

struct GemmCase {
  std::int64_t rows, columns, depth;
  bool transposed = false;  // A stored depth-major
  bool accumulate = false;
  bool plain = false;  // B row-major instead of packed
};

// Random A and B, and C with room for the rounded columns and a canary behind.
class GemmRun {
 public:
  GemmRun(const GemmCase& shape, std::uint64_t seed)
      : shape_(shape), lanes_(kernels::blocking().lanes), panel_(kernels::blocking().panel) {
    Draw draw(seed);
    pad_ = draw.integer(0, 5);
    a_.resize(static_cast<std::size_t>((shape.rows + pad_) * (shape.depth + pad_) + 1));
    for (float& a : a_) a = static_cast<float>(draw.normal());
    const std::int64_t whole = round_up(shape.columns, lanes_);
    b_.resize(static_cast<std::size_t>(shape.plain
                                           ? (shape.depth - 1) * plain_stride() + whole
                                           : round_up(shape.columns, panel_) * shape.depth));
    for (float& b : b_) b = static_cast<float>(draw.normal());
    ldc_ = round_up(shape.columns, lanes_) + 3;
    c_ = canary_floats(shape.rows * ldc_);
    for (std::int64_t r = 0; r < shape.rows; ++r)
      for (std::int64_t c = 0; c < shape.columns; ++c) c_[r * ldc_ + c] = start(r, c);
  }

  void run(std::int64_t first, std::int64_t rows) {
    kernels::LeftMatrix part = a();
    part.data += first * part.row_stride;
    kernels::gemm(part, b(), rows, shape_.columns, shape_.depth, c_.data() + first * ldc_, ldc_,
                  shape_.accumulate);
  }

  // Largest error in units of depth * 2^-24 * sum |a b|: at most 1 for any order of summation.
  double worst() const {
    double worst = 0;
    for (std::int64_t r = 0; r < shape_.rows; ++r)
      for (std::int64_t c = 0; c < shape_.columns; ++c) worst = std::max(worst, error(r, c));
    return worst;
  }
  bool outside_untouched() const {
    for (std::int64_t r = 0; r < shape_.rows; ++r)
      for (std::int64_t c = round_up(shape_.columns, lanes_); c < ldc_; ++c)
        if (c_[r * ldc_ + c] != canary) return false;
    return true;
  }
  float c(std::int64_t r, std::int64_t column) const { return c_[r * ldc_ + column]; }

 private:
  kernels::LeftMatrix a() const {
    const std::int64_t major = pad_ + (shape_.transposed ? shape_.rows : shape_.depth);
    return shape_.transposed ? kernels::LeftMatrix{a_.data(), 1, major}
                             : kernels::LeftMatrix{a_.data(), major, 1};
  }
  // Whole vectors are read: the row stride covers them, and the last row ends with one.
  std::int64_t plain_stride() const { return round_up(shape_.columns, lanes_) + 1; }
  kernels::RightMatrix b() const {
    if (shape_.plain) return {b_.data(), panel_, plain_stride()};
    return {b_.data(), panel_ * shape_.depth, panel_};
  }
  static float start(std::int64_t r, std::int64_t c) {
    return 0.5F * static_cast<float>(r) - static_cast<float>(c);
  }
  double error(std::int64_t r, std::int64_t c) const {
    const float base = shape_.accumulate ? start(r, c) : 0.0F;
    double sum = static_cast<double>(base), magnitude = std::fabs(sum);
    for (std::int64_t k = 0; k < shape_.depth; ++k) {
      const float left = a().data[r * a().row_stride + k * a().depth_stride];
      const float right = b_[static_cast<std::size_t>(c / panel_ * b().panel_stride +
                                                      k * b().depth_stride + c % panel_)];
      const double product = static_cast<double>(left) * static_cast<double>(right);
      sum += product;
      magnitude += std::fabs(product);
    }
    const double unit = static_cast<double>(shape_.depth + 1) * 0x1p-24 * magnitude;
    const double difference = std::fabs(static_cast<double>(c_[r * ldc_ + c]) - sum);
    return difference == 0 ? 0 : difference / unit;
  }

  GemmCase shape_;
  std::int64_t lanes_, panel_, pad_ = 0, ldc_ = 0;
  std::vector<float> a_, b_;
  Scratch<float> c_;
};

void check(const GemmCase& shape, std::uint64_t seed) {
  GemmRun run(shape, seed);
  run.run(0, shape.rows);
  ASSERT_LE(run.worst(), 1.0) << shape.rows << " x " << shape.columns << " x " << shape.depth
                              << (shape.transposed ? " transposed" : "")
                              << (shape.accumulate ? " accumulate" : "")
                              << (shape.plain ? " plain" : "");
  ASSERT_TRUE(run.outside_untouched()) << shape.rows << " x " << shape.columns;
}

TEST(KernelsGemm, EveryRowCount) {
  on_every_isa([] {
    for (std::int64_t rows = 1; rows <= 30; ++rows)
      for (const std::int64_t columns : {1, 2, 7, 8, 16, 17, 31, 32, 33, 50})
        for (const bool transposed : {false, true})
          for (const bool plain : {false, true})
            check({rows, columns, 13, transposed, (rows + columns) % 2 == 0, plain},
                  static_cast<std::uint64_t>(rows * 64 + columns));
  });
}

TEST(KernelsGemm, EveryColumnCountAndDepth) {
  on_every_isa([] {
    for (std::int64_t columns = 1; columns <= 70; ++columns)
      for (const std::int64_t depth : {1, 2, 3, 31, 64, 257})
        check({13, columns, depth, columns % 2 == 0, depth % 2 == 0, columns % 3 == 0},
              static_cast<std::uint64_t>(columns * 512 + depth));
  });
}

TEST(KernelsGemm, DepthZeroClearsOrKeeps) {
  on_every_isa([] {
    for (const bool accumulate : {false, true}) check({5, 9, 0, false, accumulate}, 3);
  });
}

TEST(KernelsGemm, RowsDoNotDependOnTheirCompany) {
  on_every_isa([] {
    const GemmCase shape{30, 37, 65, false, true};
    GemmRun together(shape, 11), alone(shape, 11);
    together.run(0, shape.rows);
    for (std::int64_t r = 0; r < shape.rows; ++r) alone.run(r, 1);
    for (std::int64_t r = 0; r < shape.rows; ++r)
      for (std::int64_t c = 0; c < shape.columns; ++c)
        ASSERT_EQ(together.c(r, c), alone.c(r, c)) << r << ", " << c;
  });
}

TEST(KernelsGemm, BlockingIsConsistent) {
  on_every_isa([] {
    const kernels::Blocking blocking = kernels::blocking();
    EXPECT_GE(blocking.lanes, 1);
    EXPECT_EQ(blocking.panel, 2 * blocking.lanes);
    EXPECT_GE(blocking.rows, 1);
    EXPECT_LE(blocking.panel, 32);  // what padded_values() provides for
  });
}

}  // namespace
}  // namespace subquad::testing
