// The online softmax step against double precision, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/gemm.h"
#include "kernels/softmax.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t value_dim = 19, o_stride = 32;

// Running sums of a few rows, and the scores of one tile.
struct State {
  explicit State(std::int64_t row_count)
      : rows(row_count),
        m(static_cast<std::size_t>(rows), -infinity),
        l(m.size(), 0.0F),
        o(canary_floats(rows * o_stride)) {
    for (std::int64_t r = 0; r < rows; ++r) std::fill_n(o.data() + r * o_stride, value_dim, 0.0F);
  }
  void update(Scratch<float>& scores, std::int64_t stride, std::int64_t columns) {
    kernels::softmax_update(scores.data(), stride, rows, columns,
                            {m.data(), l.data(), o.data(), o_stride, value_dim});
  }

  std::int64_t rows;
  std::vector<float> m, l;
  Scratch<float> o;
};

std::int64_t stride_for(std::int64_t columns) { return round_up(columns, 32) + 16; }

Scratch<float> random_scores(Draw& draw, std::int64_t rows, std::int64_t columns, double masked) {
  Scratch<float> scores = canary_floats(rows * stride_for(columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      scores[r * stride_for(columns) + c] =
          draw.chance(masked) ? -infinity : static_cast<float>(8.0 * draw.normal());
  return scores;
}

Scratch<float> copy_of(const Scratch<float>& from) {
  Scratch<float> copy(from.size());
  std::copy_n(from.data(), from.size(), copy.data());
  return copy;
}

// One row before and after the step, against the definition.
void check_row(const State& before, const State& after, std::int64_t r, const float* scores,
               const float* weights, std::int64_t columns) {
  const auto i = static_cast<std::size_t>(r);
  float top = before.m[i];
  for (std::int64_t c = 0; c < columns; ++c) top = std::max(top, scores[c]);
  ASSERT_EQ(after.m[i], top);
  // Differences of base-2 logits are f32: their rounding is part of the definition here.
  const double factor = top == -infinity ? 0.0 : std::exp2(static_cast<double>(before.m[i] - top));
  double l = static_cast<double>(before.l[i]) * factor;
  for (std::int64_t c = 0; c < columns; ++c) {
    const double exact =
        scores[c] == -infinity ? 0.0 : std::exp2(static_cast<double>(scores[c] - top));
    ASSERT_NEAR(static_cast<double>(weights[c]), exact, 2e-7 * exact + 0x1p-126) << c;
    l += exact;
  }
  ASSERT_NEAR(static_cast<double>(after.l[i]), l, 1e-6 * l);
  for (std::int64_t c = 0; c < value_dim; ++c) {
    const double o = static_cast<double>(before.o[r * o_stride + c]) * factor;
    ASSERT_NEAR(static_cast<double>(after.o[r * o_stride + c]), o, 4e-7 * std::fabs(o));
  }
}

State copy_of(const State& from) {
  State copy(from.rows);
  copy.m = from.m;
  copy.l = from.l;
  copy.o = copy_of(from.o);
  return copy;
}

void check_canary(const State& state, const Scratch<float>& weights, std::int64_t columns) {
  const std::int64_t stride = stride_for(columns), lanes = kernels::blocking().lanes;
  for (std::int64_t r = 0; r < state.rows; ++r) {
    for (std::int64_t c = round_up(columns, lanes); c < stride; ++c)
      ASSERT_EQ(weights[r * stride + c], canary) << "row " << r << " column " << c;
    for (std::int64_t c = value_dim; c < o_stride; ++c)
      ASSERT_EQ(state.o[r * o_stride + c], canary);
  }
}

void check_steps(std::int64_t columns, double masked, std::uint64_t seed) {
  Draw draw(seed);
  constexpr std::int64_t rows = 4;
  State state(rows);
  for (int step = 0; step < 4; ++step) {
    const State before = copy_of(state);
    const Scratch<float> scores = random_scores(draw, rows, columns, masked);
    Scratch<float> weights = copy_of(scores);
    state.update(weights, stride_for(columns), columns);
    const std::int64_t stride = stride_for(columns);
    for (std::int64_t r = 0; r < rows; ++r)
      check_row(before, state, r, scores.data() + r * stride, weights.data() + r * stride, columns);
    check_canary(state, weights, columns);
    // What the gemm that follows would add; nothing to rows that have seen no key.
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < value_dim && state.m[static_cast<std::size_t>(r)] != -infinity;
           ++c)
        state.o[r * o_stride + c] += static_cast<float>(draw.normal());
  }
}

TEST(KernelsSoftmax, EveryColumnCount) {
  on_every_isa([] {
    for (std::int64_t columns = 1; columns <= 70; ++columns)
      for (const double masked : {0.0, 0.3, 0.95})
        check_steps(columns, masked, static_cast<std::uint64_t>(columns));
  });
}

TEST(KernelsSoftmax, LongRows) {
  on_every_isa([] {
    for (const std::int64_t columns : {511, 512, 513}) check_steps(columns, 0.1, 5);
  });
}

TEST(KernelsSoftmax, AllMaskedIsTheIdentity) {
  on_every_isa([] {
    for (std::int64_t columns = 1; columns <= 40; ++columns) {
      State state(3);
      Scratch<float> scores = canary_floats(3 * stride_for(columns));
      std::fill_n(scores.data(), scores.size(), -infinity);
      state.update(scores, stride_for(columns), columns);
      for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_EQ(state.m[r], -infinity);
        EXPECT_EQ(state.l[r], 0.0F);
      }
      for (std::int64_t c = 0; c < columns; ++c) ASSERT_EQ(scores[c], 0.0F);
    }
  });
}

TEST(KernelsSoftmax, AllMaskedTileLeavesTheSumsAlone) {
  on_every_isa([] {
    State state(1);
    Draw draw(2);
    Scratch<float> first = random_scores(draw, 1, 17, 0.0);
    state.update(first, stride_for(17), 17);
    const State before = copy_of(state);
    Scratch<float> second = random_scores(draw, 1, 17, 1.0);
    state.update(second, stride_for(17), 17);
    EXPECT_EQ(before.m, state.m);
    EXPECT_EQ(before.l, state.l);
  });
}

// A NaN anywhere in a row shows in that row's l and in its own weight, and in no other row.
void check_nan(std::int64_t columns, std::int64_t at, double masked) {
  Draw draw(7);
  State state(3);
  Scratch<float> scores = random_scores(draw, 3, columns, masked);
  scores[stride_for(columns) + at] = std::nanf("");
  state.update(scores, stride_for(columns), columns);
  EXPECT_TRUE(std::isnan(state.l[1])) << columns << " columns, NaN at " << at;
  EXPECT_NE(state.m[1], -infinity) << "looks like the identity";
  EXPECT_TRUE(std::isnan(scores[stride_for(columns) + at]));
  EXPECT_FALSE(std::isnan(state.l[0]) || std::isnan(state.l[2]));
}

TEST(KernelsSoftmax, NanShowsInItsRowOnly) {
  on_every_isa([] {
    for (const std::int64_t columns : {1, 5, 16, 33, 40, 65})
      for (std::int64_t at = 0; at < columns; ++at)
        for (const double masked : {0.0, 0.5, 1.0}) check_nan(columns, at, masked);
  });
}

TEST(KernelsSoftmax, NanStaysThroughLaterTiles) {
  on_every_isa([] {
    Draw draw(9);
    State state(1);
    Scratch<float> first = random_scores(draw, 1, 20, 1.0);
    first[4] = std::nanf("");
    state.update(first, stride_for(20), 20);
    for (int step = 0; step < 3; ++step) {
      Scratch<float> next = random_scores(draw, 1, 20, 0.0);
      state.update(next, stride_for(20), 20);
      EXPECT_TRUE(std::isnan(state.l[0]));
    }
  });
}

TEST(KernelsSoftmax, HugeScoresDoNotOverflow) {
  on_every_isa([] {
    for (const float top : {-1e30F, -2e4F, 2e4F, 1e30F}) {
      State state(1);
      Scratch<float> scores = canary_floats(stride_for(10));
      for (std::int64_t c = 0; c < 10; ++c) scores[c] = c == 6 ? top : 1.5F * top - 1e5F;
      if (top > 0)
        for (std::int64_t c = 0; c < 10; ++c) scores[c] = c == 6 ? top : 0.5F * top;
      state.update(scores, stride_for(10), 10);
      EXPECT_EQ(state.m[0], top);
      EXPECT_EQ(state.l[0], 1.0F);
      EXPECT_EQ(scores[6], 1.0F);
    }
  });
}

// NaN anywhere in a row is its largest score; what lies behind the last column is masked.
TEST(KernelsSoftmax, TopsAndSumsOfSeenColumns) {
  on_every_isa([] {
    for (const std::int64_t columns : {1, 3, 16, 17, 47, 64, 131}) {
      Draw draw(static_cast<std::uint64_t>(columns));
      const std::int64_t rows = 5, stride = stride_for(columns);
      Scratch<float> scores = random_scores(draw, rows, columns, 0.3);
      scores[2 * stride + columns / 2] = std::nanf("");
      std::fill_n(scores.data() + 3 * stride, columns, -infinity);
      const Scratch<float> before = copy_of(scores);
      std::vector<float> amounts(static_cast<std::size_t>(columns + 16), std::nanf(""));
      for (std::int64_t c = 0; c < columns; ++c)
        amounts[static_cast<std::size_t>(c)] = static_cast<float>(draw.unit());
      float tops[5];
      kernels::row_tops(scores.data(), stride, rows, columns, tops);
      for (std::int64_t r = 0; r < rows; ++r) {
        float top = -infinity;
        double sum = 0;
        for (std::int64_t c = 0; c < columns; ++c) {
          const float score = before[r * stride + c];
          if (!std::isnan(top)) top = std::isnan(score) ? score : std::max(top, score);
          if (score != -infinity) sum += double{amounts[static_cast<std::size_t>(c)]};
        }
        EXPECT_TRUE(tops[r] == top || (std::isnan(tops[r]) && std::isnan(top))) << r;
        EXPECT_NEAR(kernels::sum_of_seen(scores.data() + r * stride, amounts.data(), columns), sum,
                    1e-5 * (1 + sum));
      }
    }
  });
}

}  // namespace
}  // namespace subquad::testing
