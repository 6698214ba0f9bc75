// The draws of prefix(): one key from each of m equal strata of the rows' keys.
//
// Stratum s holds the places [s L / m, (s + 1) L / m) of L keys and need not begin at a whole key;
// its draw is key j with probability (overlap of [j, j + 1) with it) m / L. Summed over the strata
// each key is drawn m / L times on average.
//
// Checks: below 3,000 binomial ones (bounds.h) at 1e-10: a false alarm below 3e-7 over the file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "methods/method.h"
#include "statistical/bounds.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

// The light part's runs for some rows under a seed.
void draw_runs(const HeadProblem& head, std::int64_t num_samples, std::uint64_t seed,
               const IndexList& rows, RunList& runs) {
  const Method method = parse_method(fmt::format("prefix(m={})", num_samples));
  const auto part = method.light->prepare(head, {}, Rng(seed, 0), 1);
  EXPECT_EQ(part.row_order, head.has_band() ? RowOrder::positions : RowOrder::any);
  runs.clear();
  part.sampler->add_runs(rows, runs);
}

// The share of stratum s that key j takes up, counted from the first visible key.
double share_of(std::int64_t j, std::int64_t s, std::int64_t length, std::int64_t num_samples) {
  const double size = static_cast<double>(length) / static_cast<double>(num_samples);
  const double begin = static_cast<double>(s) * size, end = begin + size;
  const double overlap =
      std::min(end, static_cast<double>(j + 1)) - std::max(begin, static_cast<double>(j));
  return std::max(0.0, overlap) / size;
}

void check_run(const KeyRun& run, const IndexList& rows, std::int64_t length,
               std::int64_t num_samples) {
  ASSERT_EQ(run.rows.begin, 0);
  ASSERT_EQ(run.rows.end, rows.count);
  ASSERT_EQ(run.keys.count, num_samples);
  ASSERT_TRUE(run.keys.sorted());
  ASSERT_TRUE(run.tiles.empty());
  ASSERT_EQ(run.sums, Sums::both);
  ASSERT_EQ(run.sample.draws, num_samples);
  const double log_weight =
      std::log2(static_cast<double>(length) / static_cast<double>(num_samples));
  for (std::int64_t s = 0; s < num_samples; ++s) {
    ASSERT_NEAR(static_cast<double>(run.bias[s]), log_weight, 1e-6);
    ASSERT_LE(run.keys[std::max<std::int64_t>(s - 1, 0)], run.keys[s]);
  }
}

// hits[s * length + j] of `draws` seeds.
std::vector<std::int64_t> count_hits(const HeadProblem& head, std::int64_t num_samples,
                                     std::int64_t draws, const IndexList& rows, const Range& seen) {
  const std::int64_t length = seen.end - seen.begin;
  std::vector<std::int64_t> hits(static_cast<std::size_t>(num_samples * length), 0);
  RunList runs;
  for (std::int64_t seed = 0; seed < draws; ++seed) {
    draw_runs(head, num_samples, static_cast<std::uint64_t>(seed), rows, runs);
    EXPECT_EQ(runs.runs().size(), 1U);
    check_run(runs.runs()[0], rows, length, num_samples);
    if (::testing::Test::HasFailure()) return hits;
    for (std::int64_t s = 0; s < num_samples; ++s)
      ++hits[static_cast<std::size_t>(s * length + runs.runs()[0].keys[s] - seen.begin)];
  }
  return hits;
}

void check_strata(const HeadProblem& head, std::int64_t num_samples, const IndexList& rows,
                  const Range& seen) {
  constexpr std::int64_t draws = 20'000;
  const std::int64_t length = seen.end - seen.begin;
  SCOPED_TRACE(::testing::Message() << num_samples << " of " << length);
  const auto hits = count_hits(head, num_samples, draws, rows, seen);
  std::vector<double> expected(static_cast<std::size_t>(length), 0.0);
  for (std::int64_t s = 0; s < num_samples; ++s)
    for (std::int64_t j = 0; j < length; ++j) {
      const double share = share_of(j, s, length, num_samples);
      const std::int64_t count = hits[static_cast<std::size_t>(s * length + j)];
      expected[static_cast<std::size_t>(j)] += share;
      const bool plausible =
          share <= 1e-12 ? count == 0 : binomial_plausible(count, draws, std::min(1.0, share));
      EXPECT_TRUE(plausible) << "stratum " << s << " key " << j << ": " << count << " for "
                             << share * static_cast<double>(draws);
    }
  for (const double share : expected)  // the strata's shares of a key: m / L in all
    EXPECT_NEAR(share, static_cast<double>(num_samples) / static_cast<double>(length), 1e-9);
}

OwnedProblem causal_problem(std::int64_t queries, std::int64_t length) {
  OwnedProblem owned = gaussian_problem({.queries = queries, .keys = length, .head_dim = 2}, 1);
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

TEST(PrefixSample, DrawsOneKeyFromEachStratum) {
  const OwnedProblem owned = causal_problem(20, 60);
  const HeadProblem head = split_heads(owned.problem).front();
  for (const std::int64_t num_samples : {1, 7, 12, 30, 43, 58})
    check_strata(head, num_samples, index_range(3, 19), {0, 59});
  check_strata(head, 8, index_range(0, 1), {0, 41});
}

// A window begins the strata at the first key that any of the rows sees.
TEST(PrefixSample, DrawsFromTheVisibleKeys) {
  OwnedProblem owned = causal_problem(20, 60);
  owned.problem.window = {30, -1, Alignment::top_left};
  const HeadProblem head = split_heads(owned.problem).front();
  check_strata(head, 9, index_range(4, 11), {14, 51});
}

// Without a mask the rows see every key.
TEST(PrefixSample, TakesProblemsThatAreNotCausal) {
  OwnedProblem owned = causal_problem(20, 60);
  owned.problem.causal = Causal::none;
  check_strata(split_heads(owned.problem).front(), 11, index_range(4, 11), {0, 60});
}

// Grouped heads: rows are stacked, three to a position.
TEST(PrefixSample, GroupedRowsSeeThePrefixOfTheirPositions) {
  OwnedProblem owned =
      gaussian_problem({.heads = 3, .kv_heads = 1, .queries = 50, .keys = 50, .head_dim = 2}, 1);
  owned.problem.causal = Causal::top_left;
  check_strata(split_heads(owned.problem).front(), 10, index_range(60, 89), {0, 30});
}

TEST(PrefixSample, TakesAllOfFewKeys) {
  const OwnedProblem owned = causal_problem(20, 60);
  const HeadProblem head = split_heads(owned.problem).front();
  for (const std::int64_t num_samples : {44, 45, 1000}) {
    RunList runs;
    draw_runs(head, num_samples, 1, index_range(0, 4), runs);
    ASSERT_EQ(runs.runs().size(), 1U);
    const KeyRun& run = runs.runs()[0];
    EXPECT_EQ(run.bias, nullptr);
    EXPECT_EQ(run.sample.draws, 0);
    EXPECT_EQ(run.keys.count, 44);
    for (std::int64_t j = 0; j < run.keys.count; ++j) EXPECT_EQ(run.keys[j], j);
  }
}

// Blocks of rows, strata of a block, heads and seeds draw apart: the places of two draws agree as
// often as chance has it.
TEST(PrefixSample, BlocksStrataAndHeadsDrawApart) {
  const OwnedProblem owned = causal_problem(20, 60);
  const HeadProblem head = split_heads(owned.problem).front();
  const Method method = parse_method("prefix(m=4)");
  constexpr std::int64_t draws = 20'000;
  std::int64_t blocks = 0, strata = 0, heads = 0;
  for (std::int64_t seed = 0; seed < draws; ++seed) {
    const auto part = [&](std::int64_t h) {
      return method.light->prepare(head, {}, Rng(static_cast<std::uint64_t>(seed), h), 1);
    };
    RunList runs;
    part(0).sampler->add_runs(index_range(19, 20), runs);  // 60 keys: strata of 15
    part(0).sampler->add_runs(index_range(18, 20), runs);
    part(1).sampler->add_runs(index_range(19, 20), runs);
    const auto key = [&](std::size_t run, std::int64_t s) { return runs.runs()[run].keys[s]; };
    blocks += key(0, 2) == key(1, 2) ? 1 : 0;
    strata += key(0, 1) - 15 == key(0, 2) - 30 ? 1 : 0;
    heads += key(0, 2) == key(2, 2) ? 1 : 0;
  }
  for (const std::int64_t same : {blocks, strata, heads})
    EXPECT_TRUE(binomial_plausible(same, draws, 1.0 / 15)) << same;
}

}  // namespace
}  // namespace subquad::testing
