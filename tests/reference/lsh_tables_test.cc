// lsh_tables against a plain loop: every listed key is heavy, as many heavy keys are listed as the
// recall says and as was asked for, and nothing hidden counts.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "heavy/lsh_tables/heavy_search.h"
#include "support/forward.h"
#include "rows/visible_keys.h"
#include "support/draw.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t tokens = 4000, dim = 12;

// Keys in groups of 10 that point the same way; query i looks at group i.
OwnedProblem grouped(std::uint64_t seed, Causal causal = Causal::none, double strength = 2.5) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = tokens, .keys = tokens, .head_dim = dim}, seed);
  Draw draw(seed + 100);
  std::vector<double> way(dim);
  for (std::int64_t j = 0; j < tokens; ++j) {
    if (j % 10 == 0)
      for (double& c : way) c = strength * draw.normal();
    for (std::int64_t c = 0; c < dim; ++c) {
      owned.key.set(0, 0, j, c, way[static_cast<std::size_t>(c)] + 0.3 * draw.normal() + 1);
      for (std::int64_t h = 0; h < 2; ++h)
        owned.query.set(0, h, j, c, way[static_cast<std::size_t>(c)] + 0.3 * draw.normal());
    }
  }
  owned.problem.causal = causal;
  return owned;
}

struct Found {
  std::int64_t wanted = 0, listed = 0, wrong = 0;
};

// By scores in double; keys within rounding of the threshold count as neither.
Found compare(const OwnedProblem& owned, const LshTablesOptions& options) {
  const HeadProblem head = split_heads(owned.problem).front();
  const RowLists lists = find_heavy(head, options, Rng(1, 0), 2);
  const double scale = resolved_scale(owned.problem);
  Found found;
  for (std::int64_t row = 0; row < head.num_rows(); row += 41) {
    const Range seen = head.visible(row);
    std::vector<double> scores(static_cast<std::size_t>(seen.end));
    double top = -HUGE_VAL;
    for (std::int64_t j = seen.begin; j < seen.end; ++j) {
      double score = 0;
      for (std::int64_t c = 0; c < dim; ++c)
        score += owned.query.get(0, head.query_head(row), head.position(row), c) *
                 owned.key.get(0, 0, j, c);
      scores[static_cast<std::size_t>(j)] = scale * score;
      top = std::max(top, scale * score);
    }
    const double least = top - options.alpha * std::log(static_cast<double>(seen.end - seen.begin));
    const auto list = lists.row(row);
    for (std::int64_t j = seen.begin; j < seen.end; ++j) {
      const double over = scores[static_cast<std::size_t>(j)] - least;
      if (std::abs(over) < 1e-4) continue;
      const bool listed =
          std::binary_search(list.begin(), list.end(), static_cast<std::int32_t>(j));
      found.wanted += over > 0 ? 1 : 0;
      found.listed += over > 0 && listed ? 1 : 0;
      // A row whose largest key was missed lists keys that are heavy among those found.
      found.wrong += over < 0 && listed ? 1 : 0;
    }
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    EXPECT_EQ(std::adjacent_find(list.begin(), list.end()), list.end());
  }
  return found;
}

TEST(LshTables, FindTheRecallThatWasAskedFor) {
  for (const Causal causal : {Causal::none, Causal::top_left})
    for (const double recall : {0.3, 0.95}) {
      const OwnedProblem owned = grouped(3, causal);
      const Found found = compare(owned, {.recall = recall, .alpha = 0.3});
      EXPECT_GE(static_cast<double>(found.listed),
                (recall - 0.05) * static_cast<double>(found.wanted));
      if (recall > 0.9) {
        EXPECT_LE(found.wrong, found.wanted / 10);
      }
    }
}

TEST(LshTables, AllOfThemWhereTheRecallIsOne) {
  const Found found = compare(grouped(4), {.recall = 1, .alpha = 0.3});
  EXPECT_EQ(found.listed, found.wanted);
  EXPECT_EQ(found.wrong, 0);
}

// Tables are in use: what is found is less than all, and what is reported.
TEST(LshTables, ReportTheirRecall) {
  const OwnedProblem owned = grouped(5);
  const ForwardRun run = run_forward(owned.problem, DType::f32, 0, {},
                                     "lsh_tables(recall=0.3,alpha=0.3,recall_rows=1000)+drop");
  EXPECT_LT(run.report.recall, 0.7);
  EXPECT_GT(run.report.recall, 0.15);
}

double error_of(const OwnedProblem& owned, const std::string& spec, const ForwardRun& exact) {
  const ForwardRun run = run_forward(owned.problem, DType::f32, 0, {}, spec);
  double error = 0, size = 0;
  exact.out.for_each([&](auto b, auto h, auto i, auto c) {
    const double e = exact.out.get(b, h, i, c);
    error += (run.out.get(b, h, i, c) - e) * (run.out.get(b, h, i, c) - e);
    size += e * e;
  });
  return std::sqrt(error / size);
}

// The recipe's sample stands for what its tables leave: it is nearer than dropping that.
TEST(LshTables, KmvIsNearerThanDroppingTheRest) {
  const OwnedProblem owned = grouped(6, Causal::none, 1.2);
  const ForwardRun exact = run_forward(owned.problem, DType::f32);
  const double dropped = error_of(owned, "lsh_tables+drop", exact);
  const double sampled = error_of(owned, "kmv(eps=0.05,always=true)", exact);
  EXPECT_GT(sampled, 0);
  EXPECT_LE(sampled, 0.7 * dropped);
}

}  // namespace
}  // namespace subquad::testing
