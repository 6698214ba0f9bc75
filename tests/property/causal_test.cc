// The causal methods: recursion() in its limits on every kind of causal problem, its errors, and
// the same bits whatever the threads and the batch.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "subquad/error.h"
#include "support/causal_halves.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 80, .max_work = 1'500'000};

// Exact whatever the scores, for up to 150 keys: every key of a node sampled, every key of a node
// in the rows' one block, or no node at all; with heavy parts of all kinds beside them.
const std::vector<std::string> exact_specs{
    "recursion(block=8,m=150,base=16)",
    "recursion(block=1,m=1000,base=16,bits=1,center=false)",
    "recursion(block=16,m=75,base=40,norm=true)+window(9)",
    "sink(3)+recursion(block=4,m=150,base=17,bits=3)",
    "window(20)+sortlsh(block=24,neighbors=1)+recursion(block=20,m=80,base=16)+sink(2)",
    "recursion(block=75,m=1,base=16)",
    "sink(2)+recursion(block=150,m=3,base=16)+sortlsh(block=8)",
    "recursion(block=1,m=1,base=150)",
    "window(5)+recursion(block=2,m=1,base=400)"};

void expect_exact(const Problem& problem, const ReferenceAttention& reference) {
  for (const std::string& spec : exact_specs) {
    SCOPED_TRACE(spec);
    expect_forward(problem, run_forward(problem, DType::f32, 1, {}, spec), reference);
  }
}

TEST(Recursion, IsExactInItsLimits) {
  for (const std::uint64_t seed : Seeds(600, 80)) {
    const OwnedProblem random = made_causal(random_problem(seed, type_of(seed), limits), seed);
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    on_every_isa([&] { expect_exact(random.problem, reference); });
    if (HasFailure()) return;
  }
}

// Lengths around the base and its doubles, primes, and 1 and 2; queries and keys apart.
TEST(Recursion, TakesAnyLength) {
  const std::vector<std::int64_t> lengths{1, 2, 16, 17, 18, 31, 32, 33, 34, 53, 97, 149};
  for (const std::int64_t keys : lengths)
    for (const std::int64_t queries :
         {std::int64_t{1}, keys / 2 + 1, keys, keys + 3, 2 * keys + 40})
      for (const Causal causal : {Causal::top_left, Causal::bottom_right}) {
        OwnedProblem owned = gaussian_problem({.heads = 3,
                                               .kv_heads = 1,
                                               .queries = queries,
                                               .keys = keys,
                                               .head_dim = 12,
                                               .value_dim = 5},
                                              17);
        owned.problem.causal = causal;
        SCOPED_TRACE(::testing::Message()
                     << queries << " x " << keys << " alignment " << static_cast<int>(causal));
        expect_exact(owned.problem, ReferenceAttention(owned.problem));
        if (HasFailure()) return;
      }
}

TEST(Recursion, TakesPackedSequencesOfAnyLength) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 200, .keys = 230, .head_dim = 12}, 3);
  owned.query_offsets = {0, 1, 1, 18, 60, 60, 200};
  owned.key_offsets = {0, 2, 20, 52, 53, 80, 230};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  for (const Causal causal : {Causal::top_left, Causal::bottom_right}) {
    owned.problem.causal = causal;
    expect_exact(owned.problem, ReferenceAttention(owned.problem));
  }
}

TEST(Recursion, EmptyProblemsAreNoTrouble) {
  for (const auto& [queries, keys] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {0, 40}, {40, 0}}) {
    OwnedProblem owned = gaussian_problem({.queries = queries, .keys = keys}, 1);
    owned.problem.causal = Causal::bottom_right;
    const MethodRun run = run_method(owned.problem, "recursion(m=2,block=2,base=16)");
    for (std::int64_t i = 0; i < queries; ++i) EXPECT_EQ(run.out.get(0, 0, i, 0), 0.0);
  }
}

void expect_invalid(const Problem& problem, const std::string& spec, const std::string& expected) {
  try {
    run_method(problem, spec);
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(line.find(expected), std::string::npos) << line << "\nexpected: " << expected;
    return;
  }
  ADD_FAILURE() << spec << ": no error; expected: " << expected;
}

TEST(Recursion, OfAProblemThatIsNotCausalIsAnError) {
  OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 40}, 1);
  expect_invalid(owned.problem, "recursion", "spec part 'recursion': causal is none");
  owned.problem.window = {10, 0, Alignment::top_left};
  expect_invalid(owned.problem, "window(4)+recursion", "spec part 'recursion': causal is none");
}

TEST(Recursion, BadArgumentsAreErrors) {
  OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 40}, 1);
  owned.problem.causal = Causal::top_left;
  const auto rejects = [&](const std::string& spec, const std::string& expected) {
    expect_invalid(owned.problem, spec, expected);
  };
  rejects("recursion(base=15)", "base = 15 is not a whole number from 16 to 1048576");
  rejects("recursion(m=0)", "m = 0 is not a whole number from 1 to 1048576");
  rejects("recursion(block=0)", "block = 0 is not a whole number from 1 to 1048576");
  rejects("recursion(bits=25)", "bits = 25 is not a whole number from 1 to 24");
  rejects("recursion(norm=perhaps)", "norm = perhaps is not one of");
  rejects("recursion(rounds=2)", "unknown argument 'rounds' (known: block, m, base, bits");
  rejects("prefix(m=0)", "m = 0 is not a whole number from 1 to 1048576");
  rejects("prefix(n=4)", "unknown argument 'n' (known: m)");
  rejects("sortlsh(neighbors=65)", "neighbors = 65 is not a whole number from 0 to 64");
  rejects("sortlsh(neighbors=-1)", "neighbors = -1 is not a whole number from 0 to 64");
  for (const std::string light : {"uniform", "prefix", "drop", "recursion"}) {
    rejects("recursion+" + light, "more than one light part");
    rejects(light + "+recursion", "more than one light part");
  }
  rejects("prefix+uniform", "more than one light part");
}

// Rows whose window ends in their triangle see nothing of the nodes: they are exact, and say so.
TEST(Recursion, NodesOutsideTheWindowHaveNoError) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 400, .keys = 400}, 1);
  owned.problem.causal = Causal::top_left;
  owned.problem.window = {10, -1, Alignment::top_left};
  const MethodRun run = run_method(owned.problem, "recursion(block=4,m=8,base=32)");
  std::int64_t inside = 0;
  for_rows(owned.problem, [&](auto b, auto h, auto i) {
    std::int64_t in_nodes = 0;
    for (std::int64_t j = std::max<std::int64_t>(0, i - 10); j <= i; ++j)
      in_nodes += halves_of(owned.problem, 32, i, j).size() > 0 ? 1 : 0;
    if (in_nodes > 0) return;
    ++inside;
    EXPECT_EQ(run.row_error.get(b, h, i, 0), 0.0) << i;
  });
  EXPECT_GT(inside, 400);
}

// Specs that sample and leave something out, with every order of groups.
const std::vector<std::string> causal_specs{
    "recursion(block=8,m=5,base=16)", "window(9)+recursion(block=16,m=13,base=24,bits=5,norm=true)",
    "sink(2)+sortlsh(block=12,neighbors=1,rounds=2)+recursion(block=4,m=3,base=16)",
    "window(20)+sortlsh(block=16)+prefix(m=11)", "sink(3)+prefix(m=7)"};

template <typename Check>
void for_causal_problems(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = made_causal(random_problem(seed, type_of(seed), limits), seed);
    SCOPED_TRACE(random.description);
    for (const std::string& spec : causal_specs) {
      SCOPED_TRACE(spec);
      check(random.problem, spec);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(CausalMethods, ThreadsGiveTheSameBits) { for_causal_problems(700, 20, check_threads); }

TEST(CausalMethods, ThreadsGiveTheSameBitsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 900, .keys = 1500, .head_dim = 32}, 1);
  owned.problem.causal = Causal::bottom_right;
  for (const std::string& spec : causal_specs) check_threads(owned.problem, spec);
}

TEST(CausalMethods, ABatchElementDoesNotDependOnTheOthers) {
  for_causal_problems(730, 30, check_batch);
}

TEST(CausalMethods, SeedsGiveDifferentSamples) {
  OwnedProblem owned = gaussian_problem({.queries = 400, .keys = 400, .head_dim = 16}, 1);
  owned.problem.causal = Causal::top_left;
  for (const std::string& spec : causal_specs)
    EXPECT_NE(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words())
        << spec;
}

// Fixed work a row: what the spec promises, and that nothing falls back to exact.
TEST(CausalMethods, NoRowFallsBack) {
  OwnedProblem owned = gaussian_problem({.queries = 2000, .keys = 2000, .head_dim = 16}, 1);
  owned.problem.causal = Causal::top_left;
  const auto entries = [&](const std::string& spec) {
    const Report report = run_method(owned.problem, spec, 2).report;
    EXPECT_EQ(report.fallback_rows, 0) << spec;
    return report.scored_entries;
  };
  // Six levels of nodes (2,000 keys halved down to 32), each for half of the rows; leaves of 32.
  EXPECT_LE(entries("recursion(block=16,m=16,base=32)"), 2000 * (6 * (16 + 16) + 32 + 128));
  EXPECT_LE(entries("window(32)+prefix(m=32)"), 2000 * (32 + 264 + 2 * 32 + 64));
  EXPECT_GE(entries("exact"), 2000 * 1000);
}

}  // namespace
}  // namespace subquad::testing
