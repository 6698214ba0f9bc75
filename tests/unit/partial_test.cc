// The merge of partial sums: its algebra, and what it does with the odd ones.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "rows/partial.h"
#include "support/draw.h"

namespace subquad::testing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t rows = 7, value_dim = 5;

// A partial with memory of its own.
class Sums {
 public:
  Sums() : buffer_(rows, value_dim) { set_identity(view()); }
  Sums(const Sums& other) : Sums() { copy_partial(other.view(), view()); }
  Sums& operator=(const Sums&) = delete;

  Partial view() const { return const_cast<PartialBuffer&>(buffer_).view(rows); }
  float m(std::int64_t r) const { return view().m[r]; }
  float l(std::int64_t r) const { return view().l[r]; }
  float o(std::int64_t r, std::int64_t c) const { return view().o[r * view().o_stride + c]; }
  // The sums without their reference, in double.
  double true_l(std::int64_t r) const { return scaled(r, l(r)); }
  double true_o(std::int64_t r, std::int64_t c) const { return scaled(r, o(r, c)); }

 private:
  double scaled(std::int64_t r, float sum) const {
    return m(r) == -infinity ? 0.0
                             : static_cast<double>(sum) * std::exp2(static_cast<double>(m(r)));
  }
  PartialBuffer buffer_;
};

// Signed sums with references up to +-spread; a row now and then is the identity.
Sums random_sums(std::uint64_t seed, double spread = 20.0) {
  Draw draw(seed);
  Sums sums;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (draw.chance(0.15)) continue;
    const Partial row = sums.view().slice(r, 1);
    row.m[0] = static_cast<float>(spread * (2.0 * draw.unit() - 1.0));
    row.l[0] = static_cast<float>(draw.normal());
    for (std::int64_t c = 0; c < value_dim; ++c) row.o[c] = static_cast<float>(draw.normal());
  }
  return sums;
}

Sums merged(const Sums& a, const Sums& b) {
  Sums result(a);
  merge_into(result.view(), b.view());
  return result;
}

void expect_same_bits(const Sums& a, const Sums& b) {
  for (std::int64_t r = 0; r < rows; ++r) {
    EXPECT_EQ(a.m(r), b.m(r));
    EXPECT_EQ(a.l(r), b.l(r));
    for (std::int64_t c = 0; c < value_dim; ++c) EXPECT_EQ(a.o(r, c), b.o(r, c));
  }
}

// The value of a merged sum and of its parts, relative to the size of the parts.
void expect_sum(double merged, double a, double b) {
  EXPECT_NEAR(merged, a + b, 3e-7 * (std::fabs(a) + std::fabs(b)));
}

TEST(Partial, IdentityIsMinusInfinityAndZero) {
  const Sums identity;
  for (std::int64_t r = 0; r < rows; ++r) {
    EXPECT_EQ(identity.m(r), -infinity);
    EXPECT_EQ(identity.l(r), 0.0F);
    for (std::int64_t c = 0; c < value_dim; ++c) EXPECT_EQ(identity.o(r, c), 0.0F);
  }
}

TEST(Partial, IdentityLeavesTheOtherSideBitForBit) {
  const Sums identity;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Sums sums = random_sums(seed, 1e4);
    expect_same_bits(merged(sums, identity), sums);
    expect_same_bits(merged(identity, sums), sums);
  }
  expect_same_bits(merged(identity, identity), identity);
}

TEST(Partial, MergeAddsSignedSums) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Sums a = random_sums(2 * seed), b = random_sums(2 * seed + 1), sum = merged(a, b);
    for (std::int64_t r = 0; r < rows; ++r) {
      EXPECT_EQ(sum.m(r), std::max(a.m(r), b.m(r)));
      expect_sum(sum.true_l(r), a.true_l(r), b.true_l(r));
      for (std::int64_t c = 0; c < value_dim; ++c)
        expect_sum(sum.true_o(r, c), a.true_o(r, c), b.true_o(r, c));
    }
  }
}

TEST(Partial, MergeCommutes) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Sums a = random_sums(2 * seed), b = random_sums(2 * seed + 1);
    expect_same_bits(merged(a, b), merged(b, a));
  }
}

TEST(Partial, MergeAssociatesUpToRounding) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Sums a = random_sums(3 * seed), b = random_sums(3 * seed + 1),
               c = random_sums(3 * seed + 2);
    const Sums left = merged(merged(a, b), c), right = merged(a, merged(b, c));
    for (std::int64_t r = 0; r < rows; ++r) {
      const double size = std::fabs(a.true_l(r)) + std::fabs(b.true_l(r)) + std::fabs(c.true_l(r));
      EXPECT_EQ(left.m(r), right.m(r));
      EXPECT_NEAR(left.true_l(r), right.true_l(r), 6e-7 * size);
    }
  }
}

TEST(Partial, FarReferencesDoNotOverflow) {
  Sums high, low;
  set_identity(low.view());
  for (std::int64_t r = 0; r < rows; ++r) {
    high.view().m[r] = 3e4F;
    low.view().m[r] = -3e4F;
    high.view().l[r] = 2.0F;
    low.view().l[r] = 5.0F;
  }
  const Sums sum = merged(low, high);
  EXPECT_EQ(sum.m(0), 3e4F);
  EXPECT_EQ(sum.l(0), 2.0F);
}

TEST(Partial, OppositeSumsCancel) {
  Sums a = random_sums(5), b(a);
  for (std::int64_t r = 0; r < rows; ++r) b.view().l[r] = -b.view().l[r];
  const Sums sum = merged(a, b);
  for (std::int64_t r = 0; r < rows; ++r) EXPECT_EQ(sum.l(r), 0.0F);
}

// A NaN in the reference of either side shows in l and o of that row, and in no other.
TEST(Partial, NanReferenceShows) {
  for (const bool first : {false, true}) {
    Sums a = random_sums(8), b = random_sums(9);
    (first ? a : b).view().m[2] = std::nanf("");
    const Sums sum = merged(a, b);
    EXPECT_TRUE(std::isnan(sum.l(2)) || (first ? b : a).m(2) == -infinity);
    EXPECT_TRUE(std::isnan(sum.m(2)));
    for (std::int64_t r = 0; r < rows; ++r) {
      if (r == 2) continue;
      EXPECT_FALSE(std::isnan(sum.l(r)));
    }
  }
}

TEST(Partial, NanSumsShow) {
  for (const bool first : {false, true}) {
    Sums a = random_sums(21), b = random_sums(22);
    const Partial view = (first ? a : b).view();
    view.m[3] = 0.5F;
    view.l[3] = std::nanf("");
    view.o[4 * view.o_stride + 1] = std::nanf("");
    view.m[4] = 0.5F;
    const Sums sum = merged(a, b);
    EXPECT_TRUE(std::isnan(sum.l(3)));
    EXPECT_TRUE(std::isnan(sum.o(4, 1)));
    EXPECT_FALSE(std::isnan(sum.o(4, 0)));
  }
}

TEST(Partial, TreeAddsEveryPartAlwaysTheSameWay) {
  for (std::size_t count = 1; count <= 17; ++count) {
    std::vector<Sums> sums, again;
    for (std::size_t i = 0; i < count; ++i) {
      sums.push_back(random_sums(1000 * count + i, 3.0));
      again.push_back(sums.back());
    }
    std::vector<double> expected(rows, 0.0), size(rows, 0.0);
    std::vector<Partial> parts, others;
    for (std::size_t i = 0; i < count; ++i) {
      parts.push_back(sums[i].view());
      others.push_back(again[i].view());
      for (std::int64_t r = 0; r < rows; ++r) {
        expected[static_cast<std::size_t>(r)] += sums[i].true_l(r);
        size[static_cast<std::size_t>(r)] += std::fabs(sums[i].true_l(r));
      }
    }
    merge_tree(parts.data(), static_cast<std::int64_t>(count));
    merge_tree(others.data(), static_cast<std::int64_t>(count));
    expect_same_bits(sums[0], again[0]);
    for (std::int64_t r = 0; r < rows; ++r)
      EXPECT_NEAR(sums[0].true_l(r), expected[static_cast<std::size_t>(r)],
                  2e-6 * size[static_cast<std::size_t>(r)]);
  }
}

// ((0 1) (2 3)) (4): written out with merges of two.
TEST(Partial, TreeIsPairwiseHalving) {
  std::vector<Sums> sums;
  for (std::uint64_t i = 0; i < 5; ++i) sums.push_back(random_sums(70 + i));
  const Sums expected = merged(merged(merged(sums[0], sums[1]), merged(sums[2], sums[3])), sums[4]);
  std::vector<Partial> parts;
  for (const Sums& sum : sums) parts.push_back(sum.view());
  merge_tree(parts.data(), 5);
  expect_same_bits(sums[0], expected);
}

TEST(Partial, SliceIsAView) {
  const Sums sums = random_sums(3);
  const Partial part = sums.view().slice(2, 3);
  EXPECT_EQ(part.rows, 3);
  EXPECT_EQ(part.l, sums.view().l + 2);
  EXPECT_EQ(part.o, sums.view().o + 2 * sums.view().o_stride);
}

TEST(Partial, StrideHoldsWholePanels) {
  for (std::int64_t dim = 1; dim <= 512; ++dim) {
    EXPECT_GE(padded_values(dim), dim);
    EXPECT_EQ(padded_values(dim) % 32, 0);
    EXPECT_LT(padded_values(dim), dim + 32);
  }
}

}  // namespace
}  // namespace subquad::testing
