// Predefined masks as the heavy part: exactly the entries that the caller names, once each.
#include "given_support.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "heavy_light_support.h"
#include "support/backward.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 80, .max_work = 1'500'000};
constexpr double kHidden = -std::numeric_limits<double>::infinity();

// Random, but not packed: given masks are not for packed sequences.
OwnedProblem unpacked_problem(std::uint64_t seed, DType type = DType::f32) {
  OwnedProblem random = random_problem(seed, type, limits);
  random.problem.query_offsets = random.problem.key_offsets = {};
  return random;
}

MethodRun run_given(const Problem& problem, const std::string& spec,
                    std::span<const GivenMask> given, int threads = 1, std::uint64_t seed = 0) {
  return run_method(problem, spec, threads, seed, given);
}

using Holds = std::function<bool(std::int64_t h, std::int64_t i, std::int64_t j)>;

// Whether the row has a key that counts; otherwise it is computed again over all it may see.
bool any_held(const Problem& problem, const Holds& holds, std::int64_t b, std::int64_t h,
              std::int64_t i) {
  const SequenceRange all{0, problem.query.length(), 0, problem.key.length()};
  for (std::int64_t j = 0; j < problem.key.length(); ++j)
    if (holds(h, i, j) && in_band(problem, all, i, j) &&
        mask_entry(problem.mask, b, h, i, j) != kHidden)
      return true;
  return false;
}

// The element mask that a heavy set under `drop` stands for: the problem's own, less what the set
// does not hold. Rows without an entry keep the problem's own.
class MaskedProblem {
 public:
  MaskedProblem(const Problem& from, const Holds& holds) : problem(from) {
    const Shape4 shape{from.query.batch(), from.query.heads(), from.query.length(),
                       from.key.length()};
    for_rows(from, [&](auto b, auto h, auto i) {
      const bool all = !any_held(from, holds, b, h, i);
      empty_rows += all ? 1 : 0;
      for (std::int64_t j = 0; j < shape[3]; ++j) {
        const double own = mask_entry(from.mask, b, h, i, j);
        entries_.push_back(static_cast<float>(all || holds(h, i, j) ? own : kHidden));
      }
    });
    entries_.push_back(0);  // never empty
    problem.mask = {MaskKind::additive, entries_.data(), shape, dense_strides(shape)};
  }

  Problem problem;
  std::int64_t empty_rows = 0;

 private:
  std::vector<float> entries_;
};

void expect_masked(const Problem& problem, const std::string& spec,
                   std::span<const GivenMask> given, const Holds& holds) {
  SCOPED_TRACE(spec);
  const MaskedProblem masked(problem, holds);
  const ReferenceAttention reference(masked.problem);
  on_every_isa([&] {
    MethodRun run = run_given(problem, spec, given);
    EXPECT_LE(run.report.fallback_rows, masked.empty_rows);
    expect_forward(problem, {std::move(run.out), std::move(run.lse), run.report}, reference);
  });
}

TEST(Given, AloneIsExactAttentionWithThatMask) {
  for (const std::uint64_t seed : Seeds(2000, 60)) {
    const OwnedProblem random = unpacked_problem(seed, seed % 3 == 0 ? DType::bf16 : DType::f32);
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    for (std::size_t n = 0; n < givens.size(); ++n) {
      const Holds holds = [&](auto h, auto i, auto j) { return givens[n].holds(h, i, j); };
      expect_masked(random.problem, fmt::format("given({})", n), masks, holds);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Given, SeveralMasksAreTheirUnion) {
  for (const std::uint64_t seed : Seeds(2100, 30)) {
    const OwnedProblem random = unpacked_problem(seed);
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    const Holds any = [&](auto h, auto i, auto j) {
      return std::any_of(givens.begin(), givens.end(),
                         [&](const OwnedGiven& given) { return given.holds(h, i, j); });
    };
    expect_masked(random.problem, "given(0)+given(1)+given(2)+given(3)", masks, any);
    expect_masked(random.problem, "given(3)+given(i=2)+given(1)+given+drop", masks, any);
    if (::testing::Test::HasFailure()) return;
  }
}

// Combinations with every other kind of part, before and after it.
const std::vector<std::string> combinations{
    "given(0)",
    "given(1)",
    "given(2)",
    "given(3)",
    "given(0)+sortlsh(block=16,bits=4)",
    "sortlsh(block=24,bits=3)+given(1)",
    "given(2)+sortlsh(block=31,rounds=2)",
    "sortlsh(block=9)+given(3)+sink(2)",
    "sink(3)+window(9)+given(0)+given(3)",
    "given(3)+given(2)+given(1)+given(0)+band(left=3,right=8)",
    "expander(tau=20)",
    "window(4)+given(1)+expander(tau=5,mode=countsketch)+sortlsh(block=40)",
};

TEST(Given, EveryEntryCountsOnce) {
  for (const std::uint64_t seed : Seeds(2200, 30)) {
    const OwnedProblem random = counting_problem(seed);
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    for (const std::string& heavy : combinations)
      for (const std::string light : {"uniform(m=130)", "sortlsh(block=130)"}) {
        SCOPED_TRACE(joined(heavy, light));
        const MethodRun run = run_given(random.problem, joined(heavy, light), masks);
        for_rows(random.problem, [&](auto b, auto h, auto i) {
          for (std::int64_t j = 0; j < random.problem.key.length(); ++j)
            ASSERT_NEAR(weight(run, b, h, i, j), visible(random.problem, b, h, i, j) ? 1.0 : 0.0,
                        4e-6)
                << "row " << b << ", " << h << ", " << i << " key " << j;
        });
        if (::testing::Test::HasFailure()) return;
      }
  }
}

// A sample with repeated keys: each draw stands for n / m, heavy or not hidden twice.
TEST(Given, SampledKeysStandForTheirShare) {
  for (const std::uint64_t seed : Seeds(2300, 30)) {
    const OwnedProblem random = counting_problem(seed);
    if (random.problem.key.length() == 0) continue;
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    for (std::size_t n = 0; n < givens.size(); ++n) {
      const MethodRun run =
          run_given(random.problem, fmt::format("given({})+uniform(m=50,replace=true)", n), masks);
      for_rows(random.problem, [&](auto b, auto h, auto i) {
        if (run.row_error.get(b, h, i, 0) == 0.0) return;  // redone exactly, or nothing to see
        const std::int64_t group = random.problem.query.heads() / random.problem.key.heads();
        const double share = static_cast<double>(seen_by_any(random.problem, b, h / group, 0,
                                                             random.problem.key.length())) /
                             50;
        for (std::int64_t j = 0; j < random.problem.key.length(); ++j) {
          const double w = weight(run, b, h, i, j);
          const bool seen = visible(random.problem, b, h, i, j);
          if (givens[n].holds(h, i, j) || !seen)
            ASSERT_NEAR(w, seen ? 1.0 : 0.0, 4e-6) << i << ", " << j;
          else
            ASSERT_NEAR(w / share, std::round(w / share), 4e-6 * std::max(1.0, w / share))
                << i << ", " << j;
        }
      });
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Given, ThreadsGiveTheSameBits) {
  for (std::uint64_t seed = 2400; seed < 2410; ++seed) {
    const OwnedProblem random = unpacked_problem(seed);
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    for (const std::string& heavy : combinations) {
      const std::string spec = joined(heavy, "uniform(m=13)");
      SCOPED_TRACE(spec);
      const MethodRun one = run_given(random.problem, spec, masks, 1, 3);
      for (const int threads : {2, 5}) {
        const MethodRun many = run_given(random.problem, spec, masks, threads, 3);
        EXPECT_EQ(one.out.words(), many.out.words());
        EXPECT_EQ(one.lse.words(), many.lse.words());
        EXPECT_EQ(one.row_error.words(), many.row_error.words());
        EXPECT_EQ(one.report.scored_entries, many.report.scored_entries);
      }
    }
  }
}

// Lists longer than a tile, runs of keys across tiles, blocks larger than a group of rows.
TEST(Given, LongListsAreExactToo) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 500, .keys = 1700, .head_dim = 8}, 5);
  owned.problem.causal = Causal::bottom_right;
  Draw draw(11);
  for (const GivenKind kind : {GivenKind::rows, GivenKind::blocks})
    for (const bool per_head : {false, true}) {
      OwnedGiven given;
      given.kind = kind;
      given.tables = per_head ? 4 : 1;
      given.query_block_size = kind == GivenKind::rows ? 1 : 300;
      given.key_block_size = kind == GivenKind::rows ? 1 : 40;
      given.query_blocks = (500 + given.query_block_size - 1) / given.query_block_size;
      given.key_blocks = (1700 + given.key_block_size - 1) / given.key_block_size;
      fill_dense(draw, given);
      kind == GivenKind::rows ? list_rows(given) : list_blocks(draw, given);
      const GivenMask mask = given.mask();
      expect_masked(owned.problem, "given", {&mask, 1},
                    [&](auto h, auto i, auto j) { return given.holds(h, i, j); });
    }
}

// The derivative of the attention that the mask stands for.
TEST(Given, GradientsAreThoseOfTheMaskedProblem) {
  for (const std::uint64_t seed : Seeds(2600, 20)) {
    const OwnedProblem random = unpacked_problem(seed);
    SCOPED_TRACE(random.description);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    const Upstream upstream = random_upstream(random.problem, seed, DType::f32);
    for (std::size_t n = 0; n < givens.size(); ++n) {
      const std::string spec = fmt::format("given({})", n);
      SCOPED_TRACE(spec);
      const MaskedProblem masked(random.problem,
                                 [&](auto h, auto i, auto j) { return givens[n].holds(h, i, j); });
      const ReferenceAttention reference(masked.problem);
      const auto expected =
          reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
      MethodRun forward = run_given(random.problem, spec, masks);
      BackwardRun run{TensorBuffer(DType::f32, random.problem.query.shape),
                      TensorBuffer(DType::f32, random.problem.key.shape),
                      TensorBuffer(DType::f32, random.problem.value.shape),
                      {}};
      Options options;
      options.given = masks;
      attend_backward(
          random.problem, spec,
          backward_arguments({std::move(forward.out), std::move(forward.lse), {}}, upstream, run),
          options);
      EXPECT_LE(gradient_error(run, reference, expected, 1e-2), 1e-5);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

// (row, key) is heavy where its squared product is at least 1 / tau of its column's, over the rows
// of all query heads that share the key.
TEST(Expander, HoldsTheHeavyEntriesOfEachColumn) {
  constexpr double kTau = 12;
  std::int64_t held = 0;
  const Seeds seeds(2700, 30);
  for (const std::uint64_t seed : seeds) {
    const OwnedProblem random = counting_problem(seed);
    const Problem& problem = random.problem;
    SCOPED_TRACE(random.description);
    const DenseTensor query = read_tensor(problem.query), key = read_tensor(problem.key);
    const std::int64_t group = problem.query.heads() / problem.key.heads();
    const auto squared = [&](auto b, auto h, auto i, auto j) {
      double sum = 0;
      for (std::int64_t c = 0; c < problem.query.channels(); ++c)
        sum += query.row(b, h, i)[c] * key.row(b, h / group, j)[c];
      return sum * sum;
    };
    // Rows that see no key have no part in the columns.
    std::vector<std::uint8_t> seeing;
    for_rows(problem, [&](auto b, auto h, auto i) {
      std::int64_t j = 0;
      while (j < problem.key.length() && !visible(problem, b, h, i, j)) ++j;
      seeing.push_back(j < problem.key.length() ? 1 : 0);
    });
    const auto sees_any = [&](auto b, auto h, auto i) {
      const std::int64_t at = (b * problem.query.heads() + h) * problem.query.length() + i;
      return seeing[static_cast<std::size_t>(at)] != 0;
    };
    const MethodRun run = run_method(problem, fmt::format("expander(tau={})+drop", kTau));
    for_rows(problem, [&](auto b, auto h, auto i) {
      if (run.row_error.get(b, h, i, 0) == 0.0) return;  // redone exactly, or nothing to see
      for (std::int64_t j = 0; j < problem.key.length(); ++j) {
        double total = 0;
        for (std::int64_t g = h / group * group; g < (h / group + 1) * group; ++g)
          for (std::int64_t r = 0; r < problem.query.length(); ++r)
            total += sees_any(b, g, r) ? squared(b, g, r, j) : 0;
        const double share = kTau * squared(b, h, i, j) / total;
        if (std::fabs(share - 1) < 1e-4) continue;
        const bool counts = share > 1 && visible(problem, b, h, i, j);
        held += counts ? 1 : 0;
        ASSERT_NEAR(weight(run, b, h, i, j), counts ? 1.0 : 0.0, 4e-6) << i << ", " << j;
      }
    });
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(held, 10 * seeds.count());
}

// band(left, right) against its own words.
TEST(Band, HoldsTheKeysAroundThePosition) {
  for (const std::uint64_t seed : Seeds(2500, 30)) {
    const OwnedProblem random = unpacked_problem(seed);
    SCOPED_TRACE(random.description);
    for (const auto& [left, right] : {std::pair{0, 0}, {3, 0}, {0, 5}, {20, 7}, {500, 500}}) {
      Problem band = random.problem;
      band.window.left = left;
      band.window.right = right;
      const SequenceRange all{0, band.query.length(), 0, band.key.length()};
      expect_masked(random.problem, fmt::format("band(left={},right={})", left, right), {},
                    [&](auto, auto i, auto j) { return in_band(band, all, i, j); });
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Band, WindowIsABand) {
  OwnedProblem owned = gaussian_problem({.queries = 90, .keys = 120, .head_dim = 16}, 3);
  const auto words = [&](const std::string& spec) {
    return run_method(owned.problem, spec).out.words();
  };
  EXPECT_EQ(words("window(10)"), words("band(left=5,right=4)"));
  EXPECT_EQ(words("band"), words("band(128,128)"));
  owned.problem.causal = Causal::bottom_right;
  EXPECT_EQ(words("window(10)"), words("band(left=9,right=0)"));
}

// Where heavy, every entry of the problem is evaluated once, and no other.
TEST(Given, ScoresNoEntryThatItDoesNotHold) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 64, .keys = 500, .head_dim = 8}, 9);
  OwnedGiven given;
  given.query_blocks = 64;
  given.key_blocks = 500;
  given.dense.assign(64 * 500, 0);
  Draw draw(3);
  std::int64_t entries = 0;
  for (std::int64_t i = 0; i < 64; ++i)
    for (std::int64_t j = i; j < 500; j += draw.integer(1, 40)) {
      given.entry(0, i, j) = 1;
      entries += 2;  // both query heads
    }
  list_rows(given);
  const GivenMask mask = given.mask();
  EXPECT_EQ(run_given(owned.problem, "given", {&mask, 1}).report.scored_entries, entries);
}

}  // namespace
}  // namespace subquad::testing
