// Top-k attention through candidates: exact where the index hides nothing, the recall that it
// reports, rows that the index leaves without keys, threads, bad arguments.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rows/head_problem.h"
#include "index/hash_head.h"
#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "subquad/error.h"
#include "support/isa.h"
#include "support/plain_topk.h"

namespace subquad::testing {
namespace {

const std::vector<std::string> searches{"candidates=clusters,clusters=20,probes=4",
                                        "candidates=clusters,cluster=kmeans,clusters=9,probes=2",
                                        "candidates=lsh,tables=3,bits=4",
                                        "candidates=lsh,tables=2,bits=5,probes=3,norm=true"};

std::string topk(std::int64_t k, const std::string& search) {
  return "topk(k=" + std::to_string(k) + (search.empty() ? "" : "," + search) + ")";
}

OwnedProblem tied_problem(std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 4, .kv_heads = 2, .queries = 40, .keys = 400, .head_dim = 3}, seed);
  Draw draw(seed);
  for (TensorBuffer* tensor : {&owned.query, &owned.key})
    tensor->fill([&] { return static_cast<double>(draw.integer(-1, 1)); });
  owned.problem.scale = 0.69314718F;  // times log2 e: 1, so that scores are whole numbers
  return owned;
}

// Every cluster visited, or both buckets of one bit: the lists of the exact search.
TEST(TopkCandidates, AllKeysAreThoseOfTheExactSearch) {
  const std::vector<std::string> whole{
      "candidates=clusters,probes=65536", "candidates=clusters,clusters=7,probes=7,cluster=kmeans",
      "candidates=clusters,clusters=400,probes=400", "candidates=lsh,tables=1,bits=1,probes=1"};
  OwnedProblem gaussian =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 40, .keys = 400, .head_dim = 12}, 1);
  OwnedProblem tied = tied_problem(2);
  for (OwnedProblem* owned : {&gaussian, &tied})
    for (const Causal causal : {Causal::none, Causal::bottom_right, Causal::top_left}) {
      owned->problem.causal = causal;
      on_every_isa([&] {
        for (const std::int64_t k : {1, 24}) {
          const MethodRun exact = run_method(owned->problem, topk(k, ""));
          for (const std::string& search : whole) {
            SCOPED_TRACE(topk(k, search));
            const MethodRun run = run_method(owned->problem, topk(k, search));
            EXPECT_EQ(run.out.words(), exact.out.words());
            EXPECT_EQ(run.report.recall, 1.0);
          }
        }
      });
    }
}

// The value of key j is the j-th unit vector: out(i, j) > 0 where the row keeps the key.
OwnedProblem showing_problem(std::int64_t queries, std::int64_t keys, std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem({.heads = 2,
                                         .kv_heads = 1,
                                         .queries = queries,
                                         .keys = keys,
                                         .head_dim = 8,
                                         .value_dim = keys},
                                        seed);
  owned.value.for_each(
      [&](auto b, auto h, auto j, auto c) { owned.value.set(b, h, j, c, j == c ? 1.0 : 0.0); });
  return owned;
}

double plain_recall(const Problem& problem, std::int64_t k, const MethodRun& run) {
  const PlainTopk plain(problem, k);
  const std::int64_t keys = problem.key.length();
  double wanted = 0, found = 0;
  std::size_t flat = 0;
  for_rows(problem, [&](auto b, auto h, auto i) {
    for (std::int64_t j = 0; j < keys; ++j, ++flat) {
      wanted += plain.kept[flat];
      found += plain.kept[flat] != 0 && run.out.get(b, h, i, j) > 0 ? 1 : 0;
    }
  });
  return found / wanted;
}

// All rows are in the sample.
TEST(TopkCandidates, RecallIsThatOfAPlainLoop) {
  OwnedProblem owned = showing_problem(30, 200, 3);
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    owned.problem.causal = causal;
    for (const std::string& search : searches)
      for (const std::int64_t k : {1, 10, 60}) {
        SCOPED_TRACE(topk(k, search));
        const MethodRun run = run_method(owned.problem, topk(k, search), 2);
        const double want = plain_recall(owned.problem, k, run);
        EXPECT_NEAR(run.report.recall, want, 1e-12);
        EXPECT_LT(want, 1.0);
        EXPECT_GT(want, 0.05);
      }
  }
}

TEST(TopkCandidates, NoRecallWithoutASearch) {
  const OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 100}, 4);
  for (const std::string spec : {"topk(k=5)", "topk(k=100,candidates=clusters)", "sink(4)",
                                 "topk(k=5,candidates=lsh,recall_rows=0)"})
    EXPECT_TRUE(std::isnan(run_method(owned.problem, spec).report.recall)) << spec;
}

TEST(TopkCandidates, ThePathNamesTheIndex) {
  const OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 100}, 4);
  const auto path = [&](const std::string& spec) {
    return run_method(owned.problem, spec).report.path;
  };
  EXPECT_EQ(path("topk(k=5)"), "topk");
  EXPECT_EQ(path("topk(5,all)+uniform(m=9)"), "topk+uniform");
  EXPECT_EQ(path("sink(2)+topk(5,lsh,bits=3)"), "sink+topk:lsh");
  EXPECT_EQ(path("knn(candidates=clusters,k=5,clusters=9)+uniform(m=9)"), "knn:clusters+uniform");
}

// More candidates never lose a key.
TEST(TopkCandidates, RecallGrowsWithTheCandidates) {
  const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 900}, 5);
  const auto recall = [&](const std::string& options) {
    return run_method(owned.problem, topk(20, options)).report.recall;
  };
  const std::vector<std::string> series{
      "candidates=clusters,probes=", "candidates=lsh,tables=2,bits=6,probes=",
      "candidates=lsh,bits=5,tables="};
  for (const std::string& name : series) {
    double last = recall(name + "1");
    for (const std::string value : {"2", "3", "4"}) {
      const double next = recall(name + value);
      EXPECT_GT(next, last) << name << value;
      last = next;
    }
  }
}

TEST(TopkCandidates, ThreadsAndBatchGiveTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 2, .kv_heads = 1, .queries = 150, .keys = 700, .head_dim = 16}, 6);
  for (const std::string& search : searches) {
    SCOPED_TRACE(search);
    check_threads(owned.problem, topk(40, search));
    check_batch(owned.problem, topk(40, search));
    EXPECT_EQ(run_method(owned.problem, topk(40, search), 1).report.recall,
              run_method(owned.problem, topk(40, search), 3).report.recall);
  }
}

// Keys around +e and -e, queries near +e that may not see the first kind: the one cluster that they
// visit holds nothing for them, so they are searched in full.
TEST(TopkCandidates, RowsWithoutACandidateAreSearchedInFull) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 400, .head_dim = 6}, 7);
  owned.key.for_each([&](auto b, auto h, auto j, auto c) {
    if (c == 0) owned.key.set(b, h, j, c, j < 200 ? 50.0 : -50.0);
  });
  owned.query.for_each([&](auto b, auto h, auto i, auto c) {
    if (c == 0) owned.query.set(b, h, i, c, 1.0);
  });
  owned.boolean_mask.assign(20 * 400, 1);
  for (std::size_t i = 0; i < 10; ++i)
    std::fill_n(owned.boolean_mask.begin() + static_cast<std::ptrdiff_t>(i * 400), 200, 0);
  owned.problem.mask = {
      MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 20, 400}, {0, 0, 400, 1}};
  const MethodRun exact = run_method(owned.problem, "topk(k=5)");
  for (const std::string search : {"candidates=clusters,clusters=2,probes=1",
                                   "candidates=clusters,clusters=2,probes=1,cluster=kmeans"}) {
    const MethodRun run = run_method(owned.problem, topk(5, search));
    EXPECT_EQ(run.report.recall, 1.0);
    for (std::int64_t i = 0; i < 20; ++i)
      for (std::int64_t c = 0; c < 6; ++c)
        EXPECT_NEAR(run.out.get(0, 0, i, c), exact.out.get(0, 0, i, c), 1e-5) << search << i;
  }
}

// Rows that see at most k keys keep them all; a key that is not finite is everybody's candidate.
TEST(TopkCandidates, FewKeysAndNonFiniteKeys) {
  OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 300, .head_dim = 8}, 8);
  owned.problem.causal = Causal::top_left;
  const MethodRun exact = run_method(owned.problem, "topk(k=40)");
  owned.key.set(0, 0, 250, 3, std::nan(""));
  owned.query.set(0, 0, 100, 0, std::nan(""));
  for (const std::string& search : searches) {
    SCOPED_TRACE(search);
    const MethodRun run = run_method(owned.problem, topk(40, search));
    for (std::int64_t i = 0; i < 300; ++i) {
      EXPECT_EQ(std::isnan(run.out.get(0, 0, i, 0)), i >= 250 || i == 100) << i;
    }
    for (std::int64_t i = 0; i < 40; ++i)
      EXPECT_NEAR(run.out.get(0, 0, i, 0), exact.out.get(0, 0, i, 0), 1e-5) << i;
  }
}

TEST(TopkCandidates, HugeScores) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 20, .keys = 300, .head_dim = 8}, 9, DType::f32, 1e9);
  for (const std::string& search : searches) {
    const MethodRun run = run_method(owned.problem, topk(12, search));
    for (std::int64_t i = 0; i < 20; ++i) EXPECT_TRUE(std::isfinite(run.out.get(0, 0, i, 0)));
  }
}

TEST(TopkCandidates, EmptyAndTiny) {
  for (const std::int64_t keys : {0, 1, 2, 3})
    for (const std::int64_t queries : {0, 1, 20})
      for (const std::string& search : searches) {
        const OwnedProblem owned = gaussian_problem({.queries = queries, .keys = keys}, 10);
        const MethodRun run = run_method(owned.problem, topk(1, search));
        for (std::int64_t i = 0; i < queries; ++i)
          EXPECT_TRUE(std::isfinite(run.out.get(0, 0, i, 0)));
      }
}

// The further buckets of a row differ from its own in one sign each, and from each other.
TEST(HashFlips, OneSignEach) {
  const OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 50}, 11);
  const HeadProblem head = split_heads(owned.problem).front();
  const HashBuckets buckets = hash_head(head, Rng(1, 0), 0, {.bits = 9, .flips = 4}, 2);
  const HashBuckets all = hash_head(head, Rng(1, 0), 0, {.bits = 9, .flips = 9}, 1);
  ASSERT_EQ(buckets.near.size(), 4 * 300);
  for (std::int64_t row = 0; row < 300; ++row) {
    std::uint32_t signs = 0;
    for (std::int64_t f = 0; f < 4; ++f)
      EXPECT_EQ(buckets.near[row * 4 + f], all.near[row * 9 + f]);  // the least certain first
    for (std::int64_t f = 0; f < 9; ++f)
      for (std::uint32_t bit = 0; bit < 9; ++bit)
        if ((all.near[row * 9 + f] ^ all.rows[row]) == gray_rank(1U << bit)) signs |= 1U << bit;
    EXPECT_EQ(signs, 0x1FFU);
  }
}

void expect_named(const Problem& problem, const std::string& spec, const std::string& name) {
  try {
    run_method(problem, spec);
    ADD_FAILURE() << spec << " passed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
  }
}

TEST(TopkCandidates, BadArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 3}, 12);
  expect_named(owned.problem, "topk(candidates=faiss)", "candidates");
  expect_named(owned.problem, "topk(tables=3)", "tables");
  expect_named(owned.problem, "topk(candidates=clusters,tables=3)", "tables");
  expect_named(owned.problem, "topk(candidates=lsh,clusters=3)", "clusters");
  expect_named(owned.problem, "topk(candidates=lsh,tables=0)", "tables");
  expect_named(owned.problem, "topk(candidates=lsh,bits=25)", "bits");
  expect_named(owned.problem, "topk(candidates=lsh,probes=-1)", "probes");
  expect_named(owned.problem, "topk(candidates=clusters,clusters=99999999)", "clusters");
  expect_named(owned.problem, "topk(candidates=clusters,probes=1e9)", "probes");
  expect_named(owned.problem, "topk(candidates=clusters,cluster=ward)", "cluster");
  expect_named(owned.problem, "topk(candidates=clusters,recall_rows=-1)", "recall_rows");
}

// No matrix of scores, and no list of all candidates.
TEST(TopkCandidates, MemoryIsThatOfTheKeysKept) {
  const std::int64_t n = 4096;
  const OwnedProblem owned = gaussian_problem({.queries = n, .keys = n, .head_dim = 8}, 13);
  const std::int64_t points = 4 * 16 * n;  // keys, packed keys, clustering's copy: 16 floats a row
  for (const std::string search : {"candidates=clusters", "candidates=lsh"})
    for (const std::int64_t k : {16, 64}) {
      const MethodRun run = run_method(owned.problem, topk(k, search));
      EXPECT_LE(run.report.peak_extra_bytes, 8 * points + (16 << 20) + 4 * n * k) << search;
    }
}

}  // namespace
}  // namespace subquad::testing
