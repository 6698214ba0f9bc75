// Which weight each key gets: with all scores 0 and V the identity the output shows it. Heavy keys
// count once, light keys stand for n / m each, nothing is counted twice or lost.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "heavy_light_support.h"
#include "rows/head_problem.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr double tolerance = 4e-6;  // of a weight; a wrong one is off by 1 / count or more

template <typename Check>
void for_counting_problems(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = counting_problem(seed);
    SCOPED_TRACE(random.description);
    check(random.problem);
    if (::testing::Test::HasFailure()) return;
  }
}

// Every visible key weighs 1, every other 0.
void expect_all_visible(const Problem& problem, const MethodRun& run) {
  for_rows(problem, [&](auto b, auto h, auto i) {
    for (std::int64_t j = 0; j < problem.key.length(); ++j)
      ASSERT_NEAR(weight(run, b, h, i, j), visible(problem, b, h, i, j) ? 1.0 : 0.0, tolerance)
          << "row " << b << ", " << h << ", " << i << " key " << j;
  });
}

TEST(HeavyLightWeights, HeavyAndLightAreDisjointAndComplete) {
  for_counting_problems(1000, 30, [](const Problem& problem) {
    on_every_isa([&] {
      for (const std::string& heavy : heavy_specs) {
        const std::string spec = joined(heavy, "uniform(m=130)");
        SCOPED_TRACE(spec);
        expect_all_visible(problem, run_method(problem, spec));
      }
    });
  });
}

// The heavy keys of every row, by the parts' own words.
using IsHeavy = bool (*)(const Problem&, std::int64_t i, std::int64_t j);

bool in_window(const Problem& problem, std::int64_t i, std::int64_t j, std::int64_t width) {
  Problem band = problem;
  const bool causal = problem.causal != Causal::none;
  band.window.left = causal ? width - 1 : width / 2;
  band.window.right = causal ? 0 : (width - 1) / 2;
  return in_band(band, {0, problem.query.length(), 0, problem.key.length()}, i, j);
}

struct KnownHeavy {
  std::string spec;
  IsHeavy is_heavy;
};
const std::vector<KnownHeavy> known_heavy{
    {"drop", [](const Problem&, std::int64_t, std::int64_t) { return false; }},
    {"sink(3)", [](const Problem&, std::int64_t, std::int64_t j) { return j < 3; }},
    {"window(1)",
     [](const Problem& p, std::int64_t i, std::int64_t j) { return in_window(p, i, j, 1); }},
    {"window(8)",
     [](const Problem& p, std::int64_t i, std::int64_t j) { return in_window(p, i, j, 8); }},
    {"sink(2)+window(9)", [](const Problem& p, std::int64_t i, std::int64_t j) {
       return j < 2 || in_window(p, i, j, 9);
     }}};

bool any_in_band(const Problem& problem, std::int64_t i) {
  const SequenceRange all{0, problem.query.length(), 0, problem.key.length()};
  for (std::int64_t j = 0; j < problem.key.length(); ++j)
    if (in_band(problem, all, i, j)) return true;
  return false;
}

// Heavy keys weigh 1 and the others nothing; a row without any is computed exactly instead: all
// visible keys weigh 1, its error is 0, and it is counted.
void check_known(const Problem& problem, const KnownHeavy& heavy) {
  const MethodRun run = run_method(problem, heavy.spec);
  std::int64_t fallback_rows = 0;
  for_rows(problem, [&](auto b, auto h, auto i) {
    const auto counts = [&](std::int64_t j) {
      return visible(problem, b, h, i, j) && heavy.is_heavy(problem, i, j);
    };
    bool empty = true;
    for (std::int64_t j = 0; j < problem.key.length(); ++j) empty = empty && !counts(j);
    const bool redone = empty && any_in_band(problem, i);
    fallback_rows += redone ? 1 : 0;
    for (std::int64_t j = 0; j < problem.key.length(); ++j) {
      const bool in = redone ? visible(problem, b, h, i, j) : counts(j);
      ASSERT_NEAR(weight(run, b, h, i, j), in ? 1.0 : 0.0, tolerance) << i << ", " << j;
    }
    ASSERT_TRUE(!redone || run.row_error.get(b, h, i, 0) == 0.0);
  });
  EXPECT_EQ(run.report.fallback_rows, fallback_rows);
}

TEST(HeavyLightWeights, DroppedMethodsHoldTheirOwnKeysOnly) {
  for_counting_problems(1100, 40, [](const Problem& problem) {
    on_every_isa([&] {
      for (const KnownHeavy& heavy : known_heavy) {
        SCOPED_TRACE(heavy.spec);
        check_known(problem, heavy);
      }
    });
  });
}

// Sorted blocks: each round gives a row one block of keys, and rounds that overlap count once.
void check_blocks(const Problem& problem, std::int64_t block, std::int64_t rounds, bool strict) {
  const MethodRun run = run_method(
      problem, fmt::format("sortlsh(block={},rounds={},bits=5,strict={})", block, rounds, strict));
  const std::int64_t keys = problem.key.length();
  const HeadProblem head = split_heads(problem).front();
  for_rows(problem, [&](auto b, auto h, auto i) {
    if (run.row_error.get(b, h, i, 0) == 0.0) return;  // redone exactly
    std::int64_t held = 0, seen = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      const double w = weight(run, b, h, i, j);
      ASSERT_LE(std::min(std::fabs(w), std::fabs(w - 1.0)), tolerance) << i << ", " << j;
      if (w < 0.5) continue;
      ASSERT_TRUE(visible(problem, b, h, i, j));
      ++held;
    }
    for (std::int64_t j = 0; j < keys; ++j) seen += visible(problem, b, h, i, j) ? 1 : 0;
    if (strict && head.has_band()) {  // half a block that the row sees, or all of a few keys
      ASSERT_LE(held, rounds * block);
      return;
    }
    const std::int64_t group = problem.query.heads() / problem.key.heads();
    const std::int64_t sorted = seen_by_any(problem, b, h / group, 0, keys);
    const std::int64_t blocks = (sorted + block - 1) / block;
    const std::int64_t smallest = sorted / blocks, largest = (sorted + blocks - 1) / blocks;
    ASSERT_LE(held, rounds * largest);
    ASSERT_GE(held, seen == sorted ? smallest : 0);
  });
}

TEST(HeavyLightWeights, BlocksHoldOneBlockOfKeysARound) {
  for_counting_problems(1200, 40, [](const Problem& problem) {
    if (problem.key.length() == 0) return;
    for (const std::int64_t block : {1, 16, 30})
      for (const std::int64_t rounds : {1, 3})
        for (const bool strict : {true, false}) check_blocks(problem, block, rounds, strict);
  });
}

// What a sampled run must show, given the same heavy parts under drop.
class SampleCheck {
 public:
  SampleCheck(const Problem& problem, const std::string& heavy, const std::string& light,
              std::int64_t samples)
      : problem_(problem),
        keys_(problem.key.length()),
        samples_(samples),
        replace_(light.find("replace=true") != std::string::npos),
        dropped_(run_method(problem, joined(heavy, "drop"))),
        run_(run_method(problem, joined(heavy, light))),
        drawn_(static_cast<std::size_t>(problem.key.batch() * problem.key.heads() * keys_),
               unknown),
        population_(static_cast<std::size_t>(problem.key.batch() * problem.key.heads()), unknown) {}

  void check() {
    for_rows(problem_, [&](auto b, auto h, auto i) { check_row(b, h, i); });
    check_draws();
    EXPECT_GE(redone_rows_, run_.report.fallback_rows);
  }

 private:
  static constexpr std::int64_t unknown = -1;

  bool is_heavy(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    // A row without heavy keys was redone exactly under drop: its error says so.
    return dropped_.row_error.get(b, h, i, 0) != 0.0 && weight(dropped_, b, h, i, j) > 0.5;
  }

  // Whether the row has no heavy key and shows every visible key once: redone exactly.
  bool is_redone(std::int64_t b, std::int64_t h, std::int64_t i) const {
    if (dropped_.row_error.get(b, h, i, 0) != 0.0) return false;
    for (std::int64_t j = 0; j < keys_; ++j)
      if (visible(problem_, b, h, i, j) && std::fabs(weight(run_, b, h, i, j) - 1.0) > tolerance)
        return false;
    return true;
  }

  void check_row(std::int64_t b, std::int64_t h, std::int64_t i) {
    const bool redone = is_redone(b, h, i);
    redone_rows_ += redone ? 1 : 0;
    for (std::int64_t j = 0; j < keys_; ++j) {
      const double w = weight(run_, b, h, i, j);
      const bool seen = visible(problem_, b, h, i, j);
      if (!seen || redone || is_heavy(b, h, i, j))
        ASSERT_NEAR(w, seen ? 1.0 : 0.0, tolerance) << i << ", " << j;
      else
        check_light(b, h, j, w);
    }
  }

  // A light key stands for n / m each time it was drawn, in every row.
  void check_light(std::int64_t b, std::int64_t h, std::int64_t j, double w) {
    const std::int64_t kv_head = h / (problem_.query.heads() / problem_.key.heads());
    const double draws =
        w * static_cast<double>(samples(b, kv_head)) / static_cast<double>(population(b, kv_head));
    ASSERT_NEAR(draws, std::round(draws), tolerance * std::max(1.0, draws));
    std::int64_t& known = drawn_[static_cast<std::size_t>(head(b, kv_head) * keys_ + j)];
    if (known == unknown) known = std::llround(draws);
    ASSERT_EQ(known, std::llround(draws)) << "key " << j;
  }

  // The draws that rows have shown; all of them where every key was light for some row.
  void check_draws() const {
    const std::int64_t heads = problem_.key.heads();
    for (std::int64_t h = 0; h < problem_.key.batch() * heads; ++h) {
      std::int64_t sum = 0, hidden = 0;
      const std::int64_t samples = this->samples(h / heads, h % heads);
      for (std::int64_t j = 0; j < keys_; ++j) {
        const std::int64_t drawn = drawn_[static_cast<std::size_t>(h * keys_ + j)];
        sum += std::max<std::int64_t>(drawn, 0);
        hidden += drawn == unknown ? 1 : 0;
      }
      EXPECT_LE(sum, samples);
      EXPECT_GE(sum, hidden == 0 ? samples : 0);
    }
  }

  std::int64_t head(std::int64_t b, std::int64_t kv_head) const {
    return b * problem_.key.heads() + kv_head;
  }
  // Keys that some row sees, and draws: padding takes none.
  std::int64_t population(std::int64_t b, std::int64_t kv_head) const {
    std::int64_t& known = population_[static_cast<std::size_t>(head(b, kv_head))];
    if (known == unknown) known = seen_by_any(problem_, b, kv_head, 0, keys_);
    return known;
  }
  std::int64_t samples(std::int64_t b, std::int64_t kv_head) const {
    return replace_ ? samples_ : std::min(samples_, population(b, kv_head));
  }

  const Problem& problem_;
  std::int64_t keys_, samples_, redone_rows_ = 0;
  bool replace_;
  MethodRun dropped_, run_;
  std::vector<std::int64_t> drawn_;  // of each kv head of the batch and key
  mutable std::vector<std::int64_t> population_;
};

TEST(HeavyLightWeights, SampledKeysStandForTheirShare) {
  for_counting_problems(1300, 60, [](const Problem& problem) {
    const std::int64_t samples = std::min<std::int64_t>(11, problem.key.length());
    for (const std::string& heavy : heavy_specs) {
      SCOPED_TRACE(heavy);
      SampleCheck(problem, heavy, "uniform(m=11)", samples).check();
      if (problem.key.length() > 0)
        SampleCheck(problem, heavy, "uniform(m=25,replace=true)", 25).check();
    }
  });
}

TEST(HeavyLightWeights, SampledKeysStandForTheirShareOnEveryIsa) {
  on_every_isa([] {
    for_counting_problems(1400, 4, [](const Problem& problem) {
      const std::int64_t samples = std::min<std::int64_t>(11, problem.key.length());
      for (const std::string& heavy : heavy_specs)
        SampleCheck(problem, heavy, "uniform(m=11)", samples).check();
    });
  });
}

// Rows that nothing was found for are exact, with real scores too. Without a light part an error of
// 0 tells them from the others (NaN).
TEST(HeavyLightWeights, FallbackRowsAreExact) {
  for (const std::uint64_t seed : Seeds(1500, 30)) {
    const OwnedProblem random =
        random_problem(seed, DType::f32, {.max_length = 120, .max_head_dim = 40});
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    for (const std::string spec : {"drop", "sink(1)+drop", "window(1)+drop"}) {
      const MethodRun run = run_method(random.problem, spec);
      std::int64_t exact_rows = 0;
      for_rows(random.problem, [&](auto b, auto h, auto i) {
        if (run.row_error.get(b, h, i, 0) != 0.0) return;
        ++exact_rows;
        for (std::int64_t c = 0; c < random.problem.value.channels(); ++c)
          ASSERT_NEAR(run.out.get(b, h, i, c), reference.out.row(b, h, i)[c],
                      2e-6 * std::max(1.0, reference.max_score) * reference.max_value)
              << spec;
      });
      EXPECT_GE(exact_rows, run.report.fallback_rows) << spec;
    }
  }
}

}  // namespace
}  // namespace subquad::testing
