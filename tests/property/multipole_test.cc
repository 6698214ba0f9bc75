// multipole without a causal mask: exact in its limits with every heavy part, equal to a plain
// model in double precision, unmoved by what attention is unmoved by, and safe on bad input.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/exact_support.h"
#include "property/given_support.h"
#include "property/heavy_light_support.h"
#include "property/multipole_support.h"
#include "property/same_bits_support.h"
#include "subquad/error.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 64, .max_work = 1'000'000};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

OwnedProblem drawn(std::uint64_t seed) {
  return maskless(random_problem(seed, type_of(seed), limits), Causal::none);
}

// Of |score| up to 4.
OwnedProblem calm_drawn(std::uint64_t seed) { return calm(drawn(seed), 4); }

const std::vector<std::string> one_key_clusters{
    "multipole(clusters=150,fit=0)",
    "multipole(clusters=300,fit=0,order=1,rank=3)",
    "multipole(clusters=300,fit=0,order=2,cluster=kmeans)",
    "multipole(clusters=150,fit=30)",
    "multipole(clusters=150,fit=200,order=2,cluster=lsh)",
    "multipole(clusters=150,fit=20,open=0.5,group=8)"};

TEST(Multipole, OneKeyAClusterIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string& light : one_key_clusters)
      if (light.find("kmeans") == std::string::npos) specs.push_back(joined(heavy, light));
  expect_all_exact(specs, 2000, 16, drawn);
}

TEST(Multipole, OneKeyAClusterIsExactWithAnExpander) {
  std::vector<std::string> specs;
  for (const std::string& light : one_key_clusters)
    if (light.find("kmeans") == std::string::npos)
      specs.push_back(joined("expander(tau=20)", light));
  expect_all_exact(specs, 2030, 8, drawn);
}

TEST(Multipole, OneKeyAClusterIsExactWithGivenMasks) {
  for (const std::uint64_t seed : Seeds(2050, 16)) {
    const OwnedProblem random = drawn(seed);
    if (!random.problem.query_offsets.empty()) continue;
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    const std::vector<OwnedGiven> givens = random_givens(seed, random.problem);
    const std::vector<GivenMask> masks = masks_of(givens);
    for (const std::string heavy : {"given(0)", "given(1)", "given(2)", "given(3)+window(9)"})
      for (const std::string light :
           {"multipole(clusters=150,fit=0)", "multipole(clusters=150,fit=40,order=1)",
            "multipole(clusters=150,fit=20,open=0.5,group=8)"}) {
        MethodRun run = run_method(random.problem, joined(heavy, light), 1, seed, masks);
        const ForwardRun forward{std::move(run.out), std::move(run.lse), run.report};
        expect_forward(random.problem, forward, reference);
      }
    if (HasFailure()) return;
  }
}

// Every group has probes, and what any cluster misses there is above the threshold.
TEST(Multipole, OpeningEverythingIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light : {"multipole(clusters=9,fit=65536,open=1e-9,group=16)",
                                    "multipole(clusters=20,fit=65536,open=1e-9,cluster=kmeans)"})
      specs.push_back(joined(heavy, light));
  expect_all_exact(specs, 2100, 12, drawn);
}

TEST(Multipole, OpeningEverythingOfHigherOrderIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light :
         {"multipole(clusters=9,fit=65536,open=1e-9,group=16,order=1)",
          "multipole(clusters=20,fit=65536,open=1e-9,order=2,rank=3,cluster=kmeans)"})
      specs.push_back(joined(heavy, light));
  expect_all_exact(specs, 2120, 12, calm_drawn);
}

// A heavy part of everything leaves nothing to the far field, whatever its clusters.
std::vector<std::string> with_everything(const std::vector<std::string>& lights) {
  std::vector<std::string> specs;
  for (const std::string all :
       {"sink(150)", "window(700)", "sortlsh(block=150)",
        "sortlsh(block=150,rounds=2,bits=3)+sink(4)", "sortlsh(block=4,neighbors=40)",
        "window(9)+sink(150)+sortlsh(block=8,neighbors=1)"})
    for (const std::string& light : lights) specs.push_back(joined(all, light));
  return specs;
}

TEST(Multipole, HeavyPartOfEverythingIsExact) {
  expect_all_exact(with_everything({"multipole(clusters=7,fit=0)", "multipole(clusters=5,fit=30)",
                                    "multipole(clusters=6,fit=30,open=0.1,group=8)"}),
                   2200, 16, drawn);
}

TEST(Multipole, HeavyPartOfEverythingIsExactAtHigherOrder) {
  expect_all_exact(with_everything({"multipole(clusters=7,fit=0,order=2)",
                                    "multipole(clusters=6,fit=30,order=1,rank=4)",
                                    "multipole(clusters=5,fit=30,order=2,rank=4)"}),
                   2220, 16, calm_drawn);
}

void expect_model(const Problem& problem, const std::string& spec, std::uint64_t seed,
                  double tolerance) {
  SCOPED_TRACE(spec);
  const MethodRun run = run_method(problem, spec, 1, seed);
  EXPECT_EQ(run.report.fallback_rows, 0);
  const ModelErrors errors = model_errors(problem, run, [&](const HeadProblem& head) {
    return std::vector{plain_multipole(head, spec, seed, true),
                       plain_multipole(head, spec, seed, false)};
  });
  const double rounding = weight_error(run.report);  // of heavy parts on tiles
  EXPECT_LE(errors.out, tolerance + 2 * rounding);
  EXPECT_LE(errors.lse, tolerance + rounding);
}

void expect_models(const std::vector<std::string>& lights, std::uint64_t first_seed,
                   std::uint64_t count, double tolerance,
                   OwnedProblem (*draw)(std::uint64_t) = drawn) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = draw(seed);
    SCOPED_TRACE(random.description);
    for (const std::string& light : lights) {
      expect_model(random.problem, light, seed, tolerance);
      expect_model(random.problem, joined(heavy_specs[1 + seed % (heavy_specs.size() - 1)], light),
                   seed, tolerance);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Multipole, OfOrderZeroIsItsPlainModel) {
  expect_models({"multipole(clusters=9,fit=0)", "multipole(clusters=20,fit=0,cluster=kmeans)",
                 "multipole(clusters=1,fit=0)", "multipole(clusters=33,fit=0,cluster=lsh)"},
                2300, 40, 2e-5);
}

TEST(Multipole, OfHigherOrderIsItsPlainModel) {
  expect_models({"multipole(clusters=9,fit=0,order=1,rank=64)",
                 "multipole(clusters=5,fit=0,order=2,rank=64)"},
                2350, 30, 1e-4, calm_drawn);
}

// Every row is a probe, or some.
TEST(Multipole, WithFitIsItsPlainModel) {
  expect_models({"multipole(clusters=9,fit=1000,ridge=1e-2)",
                 "multipole(clusters=20,fit=17,ridge=1e-2,cluster=kmeans)",
                 "multipole(clusters=3,fit=1,ridge=1e-2)"},
                2400, 30, 1e-4);
}

TEST(Multipole, OfHigherOrderWithFitIsItsPlainModel) {
  expect_models({"multipole(clusters=9,fit=1000,ridge=1e-2,order=1,rank=64)",
                 "multipole(clusters=6,fit=29,ridge=1e-2,order=2,rank=64)",
                 "multipole(clusters=6,fit=40,ridge=1e-2,order=2,rank=64,open=0.05,group=16)"},
                2430, 20, 1e-4, calm_drawn);
}

TEST(Multipole, WithOpenedClustersIsItsPlainModel) {
  expect_models({"multipole(clusters=12,fit=1000,ridge=1e-2,open=0.05,group=16)",
                 "multipole(clusters=20,fit=40,ridge=1e-2,open=0.01,group=8,cluster=kmeans)"},
                2450, 30, 1e-4);
}

const std::vector<std::string> light_specs{
    "multipole(clusters=7,fit=0)", "multipole(clusters=11,fit=23)",
    "multipole(clusters=8,fit=23,order=2,rank=3,cluster=kmeans)",
    "multipole(clusters=9,fit=40,open=0.02,group=8,cluster=lsh)",
    "multipole(clusters=6,fit=20,error=0.2,always=true,group=16)"};

TEST(Multipole, ThreadsGiveTheSameBits) {
  for_drawn_and_specs(drawn, 2500, 6, light_specs, check_threads);
}

TEST(Multipole, ThreadsGiveTheSameBitsOnOneLongHead) {
  const OwnedProblem owned = gaussian_problem({.queries = 700, .keys = 1500, .head_dim = 32}, 1);
  for (const std::string light :
       {"multipole(clusters=100,fit=200)", "multipole(clusters=100,fit=200,order=2)",
        "multipole(clusters=100,fit=200,open=0.01)"})
    for (const std::string heavy : {"", "sortlsh(block=64)+window(30)"})
      check_threads(owned.problem, joined(heavy, light));
}

TEST(Multipole, ABatchElementDoesNotDependOnTheOthers) {
  for_drawn_and_specs(drawn, 2550, 12, light_specs, check_batch);
}

TEST(Multipole, SeedsGiveDifferentResults) {
  const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 400, .head_dim = 16}, 1);
  for (const std::string spec : {"multipole(clusters=20,fit=0)", "multipole(clusters=20,fit=30)"})
    EXPECT_NE(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words())
        << spec;
}

// --- What attention is unmoved by.

constexpr Dimensions grid_sizes{.queries = 90, .keys = 300, .head_dim = 12, .value_dim = 7};

// Multiples of 1/64: sums with small whole numbers are exact in f32, so that the clusters stay.
OwnedProblem grid_problem(std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem(grid_sizes, seed);
  for (TensorBuffer* tensor : {&owned.query, &owned.key, &owned.value})
    tensor->for_each([&](auto b, auto h, auto i, auto c) {
      tensor->set(b, h, i, c, std::round(64 * tensor->get(b, h, i, c)) / 64);
    });
  return owned;
}

const std::vector<std::string> invariant_specs{
    "multipole(clusters=16,fit=0)",
    "multipole(clusters=16,fit=0,order=2,rank=12)",
    "multipole(clusters=16,fit=60)",
    "multipole(clusters=16,fit=60,cluster=kmeans)",
    "window(9)+multipole(clusters=16,fit=60,order=1,rank=12)",
    "sink(3)+multipole(clusters=16,fit=60,ridge=1e-2)"};

double largest_gap(const TensorBuffer& a, const TensorBuffer& b) {
  double gap = 0;
  a.for_each([&](auto n, auto h, auto i, auto c) {
    gap = std::max(gap, std::fabs(a.get(n, h, i, c) - b.get(n, h, i, c)));
  });
  return gap;
}

TEST(Multipole, AShiftOfTheKeysLeavesOut) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    OwnedProblem owned = grid_problem(seed), moved = grid_problem(seed);
    const auto shift = [](std::int64_t c) { return static_cast<double>(c % 5 - 2); };
    moved.key.for_each([&](auto b, auto h, auto j, auto c) {
      moved.key.set(b, h, j, c, moved.key.get(b, h, j, c) + shift(c));
    });
    for (const std::string& spec : invariant_specs) {
      SCOPED_TRACE(spec);
      const MethodRun before = run_method(owned.problem, spec),
                      after = run_method(moved.problem, spec);
      EXPECT_LE(largest_gap(before.out, after.out), 1e-4);
      for (std::int64_t i = 0; i < grid_sizes.queries; ++i) {
        double product = 0;
        for (std::int64_t c = 0; c < grid_sizes.head_dim; ++c)
          product += owned.query.get(0, 0, i, c) * shift(c) / std::sqrt(12.0);
        ASSERT_NEAR(after.lse.get(0, 0, i, 0), before.lse.get(0, 0, i, 0) + product, 1e-4);
      }
    }
  }
}

TEST(Multipole, AnAffineMapOfTheValuesMapsOut) {
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    OwnedProblem owned = grid_problem(seed), moved = grid_problem(seed);
    moved.value.for_each([&](auto b, auto h, auto j, auto c) {
      moved.value.set(b, h, j, c, 2 * moved.value.get(b, h, j, c) + static_cast<double>(c - 3));
    });
    for (const std::string& spec : invariant_specs) {
      SCOPED_TRACE(spec);
      const MethodRun before = run_method(owned.problem, spec),
                      after = run_method(moved.problem, spec);
      EXPECT_EQ(before.lse.words(), after.lse.words());
      before.out.for_each([&](auto b, auto h, auto i, auto c) {
        ASSERT_NEAR(after.out.get(b, h, i, c),
                    2 * before.out.get(b, h, i, c) + static_cast<double>(c - 3), 1e-4);
      });
    }
  }
}

// --- Degenerate and bad input.

const std::vector<std::string> small_specs{
    "multipole",
    "multipole(clusters=3,fit=0)",
    "multipole(clusters=3,fit=5,order=1)",
    "multipole(clusters=3,fit=9,order=2,rank=2)",
    "multipole(clusters=3,fit=9,open=0.3,group=8)",
    "window(3)+multipole(clusters=2,fit=5)",
    "sortlsh(block=4)+multipole(clusters=2,fit=5,cluster=kmeans)"};

void expect_close_to_exact(const Problem& problem, double tolerance = 0) {
  const ReferenceAttention reference(problem);
  for (const std::string& spec : small_specs) {
    SCOPED_TRACE(spec);
    const ForwardRun run = run_forward(problem, DType::f32, 1, {}, spec);
    if (tolerance == 0)
      expect_forward(problem, run, reference);
    else
      EXPECT_LE(out_error(run, reference), tolerance);
  }
}

// Each cluster's sum of weights is then that of its keys.
TEST(Multipole, EqualKeysAreExactForAnyClusters) {
  OwnedProblem owned = gaussian_problem({.queries = 50, .keys = 120, .head_dim = 8}, 1);
  owned.key.for_each([&](auto b, auto h, auto j, auto c) {
    owned.key.set(b, h, j, c, owned.key.get(b, h, 0, c));
  });
  expect_close_to_exact(owned.problem);
}

TEST(Multipole, FewKeysOrRowsAreServed) {
  for (const std::int64_t queries : {1, 2, 40})
    for (const std::int64_t keys : {1, 2, 3}) {
      const OwnedProblem owned = gaussian_problem(
          {.heads = 2, .queries = queries, .keys = keys, .head_dim = 8, .value_dim = 5}, 2);
      const ReferenceAttention reference(owned.problem);
      for (const std::string spec : {"multipole", "multipole(clusters=3,fit=0,order=2)",
                                     "multipole(clusters=3,fit=1)", "sink(1)+multipole(open=0.1)"})
        expect_forward(owned.problem, run_forward(owned.problem, DType::f32, 1, {}, spec),
                       reference);
    }
}

TEST(Multipole, NoKeysGiveZeros) {
  const OwnedProblem owned = gaussian_problem({.queries = 5, .keys = 0, .head_dim = 8}, 2);
  expect_close_to_exact(owned.problem);
}

TEST(Multipole, NoRowsAreServed) {
  const OwnedProblem owned = gaussian_problem({.queries = 0, .keys = 9, .head_dim = 8}, 2);
  for (const std::string& spec : small_specs)
    EXPECT_EQ(run_method(owned.problem, spec).report.rows, 0);
}

// A row that is not finite spoils itself only. Without fit the other rows keep their bits.
TEST(Multipole, AQueryThatIsNotFiniteSpoilsItsRowOnly) {
  for (const double bad : {kNan, kInfinity}) {
    OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 200, .head_dim = 8}, 3),
                 fine = gaussian_problem({.queries = 300, .keys = 200, .head_dim = 8}, 3);
    owned.query.set(0, 0, 77, 2, bad);
    owned.query.set(0, 0, 270, 0, -bad);
    const MethodRun exact = run_method(owned.problem, "exact");
    ASSERT_TRUE(std::isnan(exact.out.get(0, 0, 77, 0)));
    for (const std::string& spec : small_specs) {
      SCOPED_TRACE(spec);
      const MethodRun run = run_method(owned.problem, spec), clean = run_method(fine.problem, spec);
      run.out.for_each([&](auto b, auto h, auto i, auto c) {
        const bool spoilt = i == 77 || i == 270;
        ASSERT_EQ(std::isfinite(run.out.get(b, h, i, c)), !spoilt) << i;
        if (!spoilt && spec.find("fit=0") != std::string::npos) {
          ASSERT_EQ(run.out.get(b, h, i, c), clean.out.get(b, h, i, c));
        }
      });
    }
  }
}

TEST(Multipole, RowsThatAreAllNotFiniteRunExactly) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 50, .head_dim = 8}, 3);
  owned.query.fill([] { return kNan; });
  const MethodRun exact = run_method(owned.problem, "exact");
  for (const std::string& spec : small_specs) {
    const MethodRun run = run_method(owned.problem, spec);
    run.out.for_each([&](auto b, auto h, auto i, auto c) {
      ASSERT_TRUE(std::isnan(run.out.get(b, h, i, c))) << spec;
    });
  }
}

// The head runs exactly, bit for bit; the other head does not notice.
TEST(Multipole, AKeyOrValueThatIsNotFiniteRunsItsHeadExactly) {
  for (const bool in_key : {false, true})
    for (const double bad : {kNan, kInfinity, -kInfinity}) {
      const Dimensions sizes{.heads = 2, .kv_heads = 2, .queries = 90, .keys = 150, .head_dim = 8};
      OwnedProblem owned = gaussian_problem(sizes, 4), fine = gaussian_problem(sizes, 4);
      (in_key ? owned.key : owned.value).set(0, 1, 60, 3, bad);
      const MethodRun exact = run_method(owned.problem, "exact");
      for (const std::string& spec : small_specs) {
        SCOPED_TRACE(spec);
        const MethodRun run = run_method(owned.problem, spec);
        const MethodRun clean = run_method(fine.problem, spec);
        run.out.for_each([&](auto b, auto h, auto i, auto c) {
          const double found = run.out.get(b, h, i, c);
          const double want = (h == 0 ? clean : exact).out.get(b, h, i, c);
          ASSERT_TRUE(found == want || (std::isnan(found) && std::isnan(want)));
        });
      }
    }
}

// Never a NaN, and exact where each row's weight is on a key of its own cluster or the head ran
// exactly.
TEST(Multipole, HugeScoresStayFinite) {
  for (const double size : {1e2, 1e4})
    for (const float scale : {1.0F, 1e3F}) {
      OwnedProblem owned = gaussian_problem({.queries = 120, .keys = 260, .head_dim = 8}, 5);
      owned.key.for_each([&](auto b, auto h, auto j, auto c) {
        owned.key.set(b, h, j, c, size * owned.key.get(b, h, j, c));
      });
      owned.problem.scale = scale;
      for (std::string spec : small_specs) {
        SCOPED_TRACE(spec);
        const MethodRun run = run_method(owned.problem, spec);
        run.out.for_each([&](auto b, auto h, auto i, auto c) {
          ASSERT_TRUE(std::isfinite(run.out.get(b, h, i, c)));
          ASSERT_TRUE(std::isfinite(run.lse.get(b, h, i, 0)));
        });
      }
      const ReferenceAttention reference(owned.problem);
      for (const std::string spec :
           {"multipole(clusters=300,fit=0)", "multipole(clusters=300,fit=0,order=2)",
            "multipole(clusters=300,fit=40)", "multipole(clusters=4,fit=65536,open=1e-9)"})
        expect_forward(owned.problem, run_forward(owned.problem, DType::f32, 1, {}, spec),
                       reference);
    }
}

// One key's score stands `bits` binary orders above those of the rest of its cluster.
TEST(Multipole, AKeyFarAboveItsClusterStaysFinite) {
  for (const double value : {1.0, 1e6, 1e15})
    for (double bits = 10; bits < 230; bits += 5) {
      OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 80, .head_dim = 8}, 8);
      owned.value.for_each([&](auto b, auto h, auto j, auto c) {
        owned.value.set(b, h, j, c, value * owned.value.get(b, h, j, c));
      });
      for (std::int64_t c = 0; c < 8; ++c) owned.key.set(0, 0, 5, c, owned.query.get(0, 0, 3, c));
      double square = 0;
      for (std::int64_t c = 0; c < 8; ++c) square += std::pow(owned.query.get(0, 0, 3, c), 2);
      owned.problem.scale = static_cast<float>(bits * std::log(2.0) / square);
      for (const std::string spec :
           {"multipole(clusters=2,fit=0)", "multipole(clusters=2,fit=30)",
            "multipole(clusters=2,fit=30,order=2)", "multipole(clusters=4,fit=30,open=0.1,group=8)",
            "window(3)+multipole(clusters=2,fit=30)"}) {
        SCOPED_TRACE(spec + " bits " + std::to_string(bits) + " value " + std::to_string(value));
        const MethodRun run = run_method(owned.problem, spec);
        run.out.for_each([&](auto b, auto h, auto i, auto c) {
          ASSERT_TRUE(std::isfinite(run.out.get(b, h, i, c)));
          ASSERT_TRUE(std::isfinite(run.lse.get(b, h, i, 0)));
        });
      }
    }
}

// An error far below what opening can reach: exact itself, bit for bit.
TEST(Multipole, AnErrorOutOfReachRunsExactly) {
  const OwnedProblem owned = gaussian_problem({.queries = 200, .keys = 400, .head_dim = 16}, 6);
  const MethodRun exact = run_method(owned.problem, "exact");
  for (const std::string spec :
       {"multipole(clusters=20,fit=50,error=1e-7)",
        "sink(2)+multipole(clusters=20,fit=50,error=1e-7)", "multipole(error=0.5)"}) {
    const MethodRun run = run_method(owned.problem, spec);
    EXPECT_EQ(run.out.words(), exact.out.words()) << spec;
    EXPECT_EQ(run.lse.words(), exact.lse.words()) << spec;
    EXPECT_EQ(run.row_error.words(), exact.row_error.words()) << spec;
  }
}

TEST(Multipole, StatesNoErrorWithoutProbes) {
  const OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 100, .head_dim = 8}, 6);
  const MethodRun without = run_method(owned.problem, "multipole(clusters=9,fit=0)"),
                  with = run_method(owned.problem, "multipole(clusters=9,fit=20)");
  for (std::int64_t i = 0; i < 30; ++i) {
    EXPECT_TRUE(std::isnan(without.row_error.get(0, 0, i, 0)));
    EXPECT_GT(with.row_error.get(0, 0, i, 0), 0);
  }
}

std::string message_of(const Problem& problem, const std::string& spec) {
  try {
    run_method(problem, spec);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "";
}

void expect_error(const Problem& problem, const std::string& spec,
                  const std::vector<std::string>& words) {
  const std::string message = message_of(problem, spec);
  for (const std::string& word : words)
    EXPECT_NE(message.find(word), std::string::npos) << spec << ": \"" << message << '"';
}

TEST(Multipole, RejectsMasksThatItCannotSee) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 20, .head_dim = 8}, 7);
  const std::vector<std::uint8_t> mask(400, 1);
  owned.problem.mask = {MaskKind::boolean, mask.data(), {1, 1, 20, 20}, {400, 400, 20, 1}};
  expect_error(owned.problem, "multipole", {"mask", "multipole"});
  owned.problem.mask = {};
  owned.problem.window.left = 4;
  expect_error(owned.problem, "multipole", {"window", "multipole"});
  owned.problem.window = {};
  owned.problem.causal = Causal::top_left;
  expect_error(owned.problem, "multipole(order=1)", {"order", "causal"});
  expect_error(owned.problem, "multipole(order=2)", {"order", "causal"});
  expect_error(owned.problem, "multipole(open=0.1)", {"open", "causal"});
}

TEST(Multipole, RejectsArgumentsOutOfRange) {
  const OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 9, .head_dim = 8}, 7);
  for (const std::string argument :
       {"clusters=0",    "clusters=16385", "order=-1",     "order=3",      "rank=-1",    "rank=513",
        "fit=-1",        "fit=65537",      "open=-1",      "open=2e6",     "error=-0.1", "error=11",
        "group=7",       "group=265",      "cluster=ball", "ridge=-1",     "ridge=1e4",  "chunk=63",
        "chunk=1048577", "margin=0",       "margin=101",   "always=maybe", "nodes=3"})
    expect_error(owned.problem, "multipole(" + argument + ")",
                 {"multipole", argument.substr(0, argument.find('='))});
  for (const std::string argument : {"open=0.1", "error=0.1"})
    expect_error(owned.problem, "multipole(fit=0," + argument + ")", {"fit", "open", "error"});
}

}  // namespace
}  // namespace subquad::testing
