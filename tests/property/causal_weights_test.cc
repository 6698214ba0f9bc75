// Which weight each key gets in causal methods: with all scores 0 and V the identity the output
// shows it. Exact keys count once, sampled keys stand for their share of a node (recursion) or of
// the rows' keys (prefix), nothing is counted twice.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "rows/head_problem.h"
#include "rows/tile_sizes.h"
#include "property/heavy_light_support.h"
#include "support/causal_halves.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr double tolerance = 6e-6;  // of a weight; a wrong one is off by 1 / count or more

struct Place {
  std::int64_t b, h, i;
};

// Draws of keys by a group of rows that share a sample, as the rows show them; 0, 1 or 2 each.
class Draws {
 public:
  // The draws of a key, as every row of the group shows them.
  void see(std::int64_t key, double draws) {
    ASSERT_NEAR(draws, std::round(draws), 1e-4) << "key " << key;
    const auto [entry, is_new] = of_key_.emplace(key, std::llround(draws));
    ASSERT_EQ(entry->second, std::llround(draws)) << "key " << key;
  }
  // Draws shown of keys below `end`, and the number of those keys that no row showed.
  std::pair<std::int64_t, std::int64_t> below(std::int64_t begin, std::int64_t end) const {
    std::int64_t sum = 0, hidden = 0;
    for (std::int64_t key = begin; key < end; ++key) {
      const auto entry = of_key_.find(key);
      hidden += entry == of_key_.end() ? 1 : 0;
      sum += entry == of_key_.end() ? 0 : entry->second;
    }
    return {sum, hidden};
  }

 private:
  std::map<std::int64_t, std::int64_t> of_key_;
};

// One run of a method whose heavy entries are known from the same method under drop, or not.
class WeightCheck {
 public:
  WeightCheck(const Problem& problem, const std::string& spec)
      : problem_(problem), keys_(problem.key.length()), run_(run_method(problem, spec)) {}
  virtual ~WeightCheck() = default;

  void check() {
    for_rows(problem_, [&](auto b, auto h, auto i) {
      if (::testing::Test::HasFatalFailure()) return;
      SCOPED_TRACE(::testing::Message() << "row " << b << ", " << h << ", " << i);
      check_hidden({b, h, i});
      check_row({b, h, i});
    });
    if (!::testing::Test::HasFatalFailure()) check_draws();
  }

 protected:
  virtual void check_row(const Place& row) = 0;
  virtual void check_draws() = 0;

  double weight_of(const Place& row, std::int64_t key) const {
    return weight(run_, row.b, row.h, row.i, key);
  }
  bool sees(const Place& row, std::int64_t key) const {
    return visible(problem_, row.b, row.h, row.i, key);
  }
  bool shows_all_once(const Place& row) const {
    for (std::int64_t j = 0; j < keys_; ++j)
      if (sees(row, j) && std::fabs(weight_of(row, j) - 1.0) > tolerance) return false;
    return true;
  }
  std::int64_t kv_head(const Place& row) const { return row.h / group(); }
  // Keys [begin, end) that some row sees: padding is not sampled and takes no place in a block.
  std::int64_t size_of(const Place& row, std::int64_t begin, std::int64_t end) const {
    const auto [entry, is_new] =
        sizes_.try_emplace({row.b, kv_head(row), begin, end}, std::int64_t{0});
    if (is_new) entry->second = seen_by_any(problem_, row.b, kv_head(row), begin, end);
    return entry->second;
  }
  std::int64_t group() const { return problem_.query.heads() / problem_.key.heads(); }

  const Problem& problem_;
  std::int64_t keys_;
  MethodRun run_;
  mutable std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>, std::int64_t>
      sizes_;

 private:
  void check_hidden(const Place& row) const {
    for (std::int64_t j = 0; j < keys_; ++j)
      ASSERT_TRUE(sees(row, j) || std::fabs(weight_of(row, j)) <= tolerance) << "key " << j;
  }
};

// --- recursion ---------------------------------------------------------------------------------

struct Recursion {
  std::int64_t block, num_samples, base;
  bool strict = true;
  std::string spec() const {
    return fmt::format("recursion(block={},m={},base={},bits=4,strict={})", block, num_samples,
                       base, strict);
  }
};

class RecursionCheck final : public WeightCheck {
 public:
  // `plain`: the recursion stands alone, so that a row has one block of each node.
  RecursionCheck(const Problem& problem, const Recursion& recursion, const std::string& heavy,
                 bool plain)
      : WeightCheck(problem, joined(heavy, recursion.spec())),
        recursion_(recursion),
        plain_(plain) {}

 private:
  void check_row(const Place& row) override {
    // Without nodes, or computed again because it saw nothing.
    if (run_.row_error.get(row.b, row.h, row.i, 0) == 0.0) {
      ASSERT_TRUE(shows_all_once(row));
      return;
    }
    std::map<std::int64_t, Count> nodes;  // by the first key
    for (std::int64_t j = 0; j < keys_; ++j) {
      if (!sees(row, j)) continue;
      const Halves node = halves_of(problem_, recursion_.base, row.i, j);
      const bool heavy = check_key(row, j, node);
      if (node.size() == 0 || share(row, node) == 1.0) continue;
      Count& count = nodes[node.begin];
      count = {size_of(row, node.begin, node.end), count.seen + 1, count.heavy + (heavy ? 1 : 0)};
    }
    for (const auto& [begin, count] : nodes)
      if (plain_) check_block(count);
  }

  struct Count {
    std::int64_t size = 0, seen = 0, heavy = 0;
  };
  void check_block(const Count& count) const {
    const std::int64_t size = count.size;
    const std::int64_t blocks = (size + recursion_.block - 1) / recursion_.block;
    // Strict: under a window the blocks are cut from the keys that all rows of the node see.
    ASSERT_LE(count.heavy, recursion_.strict ? recursion_.block : (size + blocks - 1) / blocks);
    const bool cut = recursion_.strict && problem_.window.left >= 0;
    const bool whole = !cut && count.seen == size;
    ASSERT_GE(count.heavy, whole ? size / blocks : 0);
  }

  double share(const Place& row, const Halves& node) const {
    const std::int64_t size = size_of(row, node.begin, node.end);
    return static_cast<double>(size) / static_cast<double>(std::min(recursion_.num_samples, size));
  }

  // Whether the key is known to be exact for the row though it belongs to a node.
  bool check_key(const Place& row, std::int64_t key, const Halves& node) {
    const double w = weight_of(row, key);
    if (node.size() == 0 || share(row, node) == 1.0) {
      EXPECT_NEAR(w, 1.0, tolerance) << "key " << key;
      return false;
    }
    if (std::fabs(w - 1.0) <= tolerance) return true;
    draws_[{row.b * problem_.key.heads() + kv_head(row), node.begin, node.end}].see(
        key, w / share(row, node));
    EXPECT_LE(std::llround(w / share(row, node)), 1) << "key " << key;
    return false;
  }

  void check_draws() override {
    for (const auto& [where, draws] : draws_) {
      const auto [kv_head, begin, end] = where;
      const auto [sum, hidden] = draws.below(begin, end);
      EXPECT_LE(sum, recursion_.num_samples);
      EXPECT_GE(sum + hidden, std::min(recursion_.num_samples, end - begin));
    }
  }

  Recursion recursion_;
  bool plain_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, Draws> draws_;
};

// For these m no share of a node is 1 but 1, nor 2: a key counted twice shows.
const std::vector<Recursion> recursions{{8, 4, 16},        {5, 37, 17},       {1, 4, 40},
                                        {20, 4, 16},       {8, 4, 16, false}, {5, 37, 17, false},
                                        {1, 4, 40, false}, {20, 4, 16, false}};

template <typename Check>
void for_causal_counting_problems(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = made_causal(counting_problem(seed), seed);
    SCOPED_TRACE(random.description);
    check(random.problem);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RecursionWeights, NodesHoldOneBlockAndASampleOfTheirOwn) {
  for_causal_counting_problems(1600, 60, [](const Problem& problem) {
    for (const Recursion& recursion : recursions) {
      SCOPED_TRACE(recursion.spec());
      RecursionCheck(problem, recursion, "", true).check();
    }
  });
}

TEST(RecursionWeights, NodesHoldOneBlockAndASampleOfTheirOwnOnEveryIsa) {
  on_every_isa([] {
    for_causal_counting_problems(1670, 6, [](const Problem& problem) {
      for (const Recursion& recursion : recursions)
        RecursionCheck(problem, recursion, "", true).check();
    });
  });
}

TEST(RecursionWeights, OtherPartsCountOnce) {
  for_causal_counting_problems(1700, 40, [](const Problem& problem) {
    for (const std::string& heavy : heavy_specs) {
      SCOPED_TRACE(heavy);
      RecursionCheck(problem, {8, 4, 16}, heavy, false).check();
    }
  });
}

// --- prefix ------------------------------------------------------------------------------------

class PrefixCheck final : public WeightCheck {
 public:
  PrefixCheck(const Problem& problem, const std::string& heavy, std::int64_t num_samples)
      : WeightCheck(problem, joined(heavy, fmt::format("prefix(m={})", num_samples))),
        num_samples_(num_samples),
        dropped_(run_method(problem, joined(heavy, "drop"))),
        block_(row_block_size(problem.query.channels(), problem.value.channels())) {
    for_rows(problem, [&](auto, auto h, auto i) {
      for (std::int64_t j = 0; j < keys_; ++j)
        if (in_band(problem, {0, problem.query.length(), 0, keys_}, i, j)) widen(block(h, i), j);
    });
  }

 private:
  // The keys that the rows of a block see: all of a head's rows in a row, groups stacked.
  struct Span {
    std::int64_t begin, end;
  };

  std::int64_t block(std::int64_t h, std::int64_t i) const {
    return (i * group() + h % group()) / block_;
  }
  void widen(std::int64_t block, std::int64_t key) {
    Span& span = spans_.emplace(block, Span{key, key + 1}).first->second;
    span = {std::min(span.begin, key), std::max(span.end, key + 1)};
  }

  bool is_heavy(const Place& row, std::int64_t key) const {
    // A row without heavy keys was redone exactly under drop: its error says so.
    return dropped_.row_error.get(row.b, row.h, row.i, 0) != 0.0 &&
           weight(dropped_, row.b, row.h, row.i, key) > 0.5;
  }
  bool is_redone(const Place& row) const {
    return dropped_.row_error.get(row.b, row.h, row.i, 0) == 0.0 && shows_all_once(row);
  }

  void check_row(const Place& row) override {
    if (is_redone(row)) return;
    const std::int64_t b = block(row.h, row.i);
    for (std::int64_t j = 0; j < keys_; ++j) {
      if (!sees(row, j)) continue;
      const Span& span = spans_.at(b);
      const std::int64_t length = size_of(row, span.begin, span.end);
      const double share = static_cast<double>(length) / static_cast<double>(num_samples_);
      if (is_heavy(row, j) || share <= 1) {
        ASSERT_NEAR(weight_of(row, j), 1.0, tolerance) << "key " << j;
      } else {
        draws_[{row.b, kv_head(row), b}].see(j, weight_of(row, j) / share);
      }
    }
  }

  // One draw from each stratum: below key t there are t m / length, but for the one it cuts.
  void check_draws() override {
    for (const auto& [where, draws] : draws_) {
      const auto [batch, head, block] = where;
      const Span span = spans_.at(block);
      const Place row{batch, head * group(), 0};
      const auto length = static_cast<double>(size_of(row, span.begin, span.end));
      for (std::int64_t t = span.begin; t <= span.end; ++t) {
        const auto [sum, hidden] = draws.below(span.begin, t);
        const double strata =
            static_cast<double>(size_of(row, span.begin, t) * num_samples_) / length;
        ASSERT_LE(static_cast<double>(sum), std::ceil(strata - 1e-9)) << "below key " << t;
        ASSERT_GE(static_cast<double>(sum + 2 * hidden), std::floor(strata + 1e-9));
      }
    }
  }

  std::int64_t num_samples_;
  MethodRun dropped_;
  std::int64_t block_;
  std::map<std::int64_t, Span> spans_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, Draws> draws_;
};

// A head of several blocks of rows as well: 264 rows at most, groups stacked. Without a band the
// blocks of a sortlsh may lead, in an order that this test does not know.
TEST(PrefixWeights, RowsOfABlockShareASampleOfTheirKeys) {
  for (const std::uint64_t seed : Seeds(1800, 30)) {
    OwnedProblem random = counting_problem(seed);
    if (seed % 3 != 0) random = made_causal(std::move(random), seed);
    SCOPED_TRACE(random.description);
    const bool banded = split_heads(random.problem).front().has_band();
    for (const std::string& heavy : heavy_specs)
      for (const std::int64_t num_samples : {1, 7, 40, 130}) {
        if (!banded && heavy.find("sortlsh") != std::string::npos) continue;
        SCOPED_TRACE(::testing::Message() << heavy << " m " << num_samples);
        PrefixCheck(random.problem, heavy, num_samples).check();
        if (HasFailure()) return;
      }
  }
}

TEST(PrefixWeights, RowsOfABlockShareASampleOfTheirKeysOnEveryIsa) {
  on_every_isa([] {
    for_causal_counting_problems(1870, 4, [](const Problem& problem) {
      for (const std::string& heavy : heavy_specs) PrefixCheck(problem, heavy, 7).check();
    });
  });
}

}  // namespace
}  // namespace subquad::testing
