// What top-k attention keeps to whatever the input: threads, batches, NaN, bad arguments, memory.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "subquad/error.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

// 1 to 93: lists; above: bits.
const std::vector<std::string> specs{"topk(k=1)", "topk(k=60)", "knn(k=94)", "topk(k=700)",
                                     "topk(k=1499)"};

TEST(TopkProperty, ThreadsGiveTheSameBitsWithManyKeys) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = 130, .keys = 1500, .head_dim = 16}, 1);
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    owned.problem.causal = causal;
    for (const std::string& spec : specs) check_threads(owned.problem, spec);
  }
}

TEST(TopkProperty, ABatchElementDoesNotDependOnTheOthers) {
  const OwnedProblem owned =
      gaussian_problem({.batch = 3, .queries = 30, .keys = 1500, .head_dim = 16}, 2);
  for (const std::string& spec : specs) check_batch(owned.problem, spec);
}

TEST(TopkProperty, TheSeedDoesNotMatter) {
  const OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 1500, .head_dim = 16}, 3);
  for (const std::string& spec : specs)
    EXPECT_EQ(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words());
}

// All keys sampled for what is dropped: exact again, whichever way the set is held.
TEST(TopkProperty, AllKeysSampledIsExactWithManyKeys) {
  OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 1500, .head_dim = 16}, 4);
  owned.problem.causal = Causal::bottom_right;
  const ReferenceAttention reference(owned.problem);
  for (const std::string& spec : specs)
    for (const std::string light : {"uniform(m=1500)", "prefix(m=1500)"}) {
      SCOPED_TRACE(joined(spec, light));
      expect_forward(owned.problem,
                     run_forward(owned.problem, DType::f32, 2, {}, joined(spec, light)), reference);
    }
}

bool row_is_nan(const MethodRun& run, std::int64_t i) {
  return std::isnan(run.out.get(0, 0, i, 0));
}

// A NaN or +inf score counts as the largest: it is kept and shows, as in exact attention.
TEST(TopkProperty, NanReachesItsRows) {
  for (const std::int64_t rows : {5, 30})
    for (const double bad : {std::nan(""), HUGE_VAL}) {
      OwnedProblem owned = gaussian_problem({.queries = rows, .keys = 1500, .head_dim = 4}, 5);
      owned.key.set(0, 0, 1497, 0, bad);
      owned.query.for_each([&](auto b, auto h, auto i, auto c) {
        if (c == 0) owned.query.set(b, h, i, c, 1.0);  // +inf stays +inf
      });
      owned.problem.causal = Causal::bottom_right;  // the last three rows see key 1,497
      on_every_isa([&] {
        const MethodRun exact = run_method(owned.problem, "exact");
        for (const std::string& spec : specs) {
          SCOPED_TRACE(spec);
          const MethodRun run = run_method(owned.problem, spec, 2);
          for (std::int64_t i = 0; i < rows; ++i) {
            EXPECT_EQ(row_is_nan(run, i), i >= rows - 3) << i;
            EXPECT_EQ(row_is_nan(exact, i), i >= rows - 3) << i;
          }
        }
      });
    }
}

// Queries of NaN alone: every score of the row is NaN, and only that row's.
TEST(TopkProperty, NanQueriesStayInTheirRows) {
  OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 1500, .head_dim = 4}, 6);
  owned.query.set(0, 0, 7, 2, std::nan(""));
  for (const std::string& spec : specs) {
    const MethodRun run = run_method(owned.problem, spec, 2);
    for (std::int64_t i = 0; i < 30; ++i) EXPECT_EQ(row_is_nan(run, i), i == 7) << spec << " " << i;
  }
}

// A value of NaN shows where its key is kept, and nowhere else.
TEST(TopkProperty, DroppedValuesDoNotShow) {
  OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 1500, .head_dim = 4}, 7);
  owned.value.set(0, 0, 11, 0, std::nan(""));
  owned.value.set(0, 0, 12, 0, HUGE_VAL);
  owned.key.for_each([&](auto b, auto h, auto j, auto c) {
    if (j == 11 || j == 12) owned.key.set(b, h, j, c, 0.0);  // a score of 0
  });
  OwnedProblem clean = gaussian_problem({.queries = 30, .keys = 1500, .head_dim = 4}, 7);
  clean.key.for_each([&](auto b, auto h, auto j, auto c) {
    if (j == 11 || j == 12) clean.key.set(b, h, j, c, 0.0);
  });
  for (const std::string spec : {"topk(k=60)", "topk(k=300)"})  // what is kept has a higher score
    EXPECT_EQ(run_method(owned.problem, spec).out.words(),
              run_method(clean.problem, spec).out.words());
  const MethodRun all = run_method(owned.problem, "topk(k=1499)");
  for (std::int64_t i = 0; i < 30; ++i) EXPECT_FALSE(std::isfinite(all.out.get(0, 0, i, 0)));
}

TEST(TopkProperty, BadArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 3}, 8);
  for (const std::string spec :
       {"topk(k=0)", "topk(k=-1)", "knn(k=1000000000000000000)", "topk(k=1e18)", "topk(k=nan)",
        "topk(k=2.5)", "topk(0)", "topk(k=99999999999999999999)"}) {
    try {
      run_method(owned.problem, spec);
      ADD_FAILURE() << spec << " passed";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_NE(std::string(error.what()).find("k = "), std::string::npos) << error.what();
    }
  }
}

// No matrix of scores: well below Lq Lk floats, and of the order of Lq k.
TEST(TopkProperty, MemoryIsThatOfTheKeysKept) {
  const std::int64_t n = 4096;
  const OwnedProblem owned = gaussian_problem({.queries = n, .keys = n, .head_dim = 8}, 9);
  const std::int64_t base = 4 * (2 * 8 * n) + (6 << 20);  // packed keys, one thread's scratch
  for (const std::int64_t k : {16, 256, 257, 2048}) {
    const MethodRun run = run_method(owned.problem, "topk(k=" + std::to_string(k) + ")");
    EXPECT_LE(run.report.peak_extra_bytes, base + 5 * n * k) << k;
    EXPECT_LE(run.report.peak_extra_bytes, base + 5 * n * n / 16) << k;
  }
}

}  // namespace
}  // namespace subquad::testing
