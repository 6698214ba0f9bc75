// Heavy entries by columns, against a plain double-precision loop over the whole score matrix.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "heavy/expander/expander_code.h"
#include "heavy/expander/expander_graph.h"
#include "heavy/expander/expander_sketch.h"
#include "subquad/error.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

using Entries = std::set<std::pair<std::int64_t, std::int64_t>>;

const std::vector<SketchMode> kAllModes{SketchMode::leverage, SketchMode::countsketch,
                                        SketchMode::expander, SketchMode::exhaustive};
const std::vector<SketchMode> kExactModes{SketchMode::leverage, SketchMode::exhaustive};

HeadProblem first_head(const OwnedProblem& owned) { return split_heads(owned.problem).front(); }

std::vector<double> vector_of(const TensorBuffer& tensor, std::int64_t b, std::int64_t h,
                              std::int64_t i) {
  std::vector<double> x;
  for (std::int64_t c = 0; c < tensor.shape()[3]; ++c) x.push_back(tensor.get(b, h, i, c));
  const bool finite = std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
  return finite ? x : std::vector<double>(x.size(), 0.0);
}

double product(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (std::size_t c = 0; c < x.size(); ++c) sum += x[c] * y[c];
  return sum;
}

// The definition. No entry may lie within 1e-9 of the threshold: rounding would decide.
Entries brute_force(const OwnedProblem& owned, const HeadProblem& head, double tau) {
  std::vector<std::vector<double>> rows;
  for (std::int64_t r = 0; r < head.num_rows(); ++r)
    rows.push_back(vector_of(owned.query, head.batch, head.query_head(r),
                             head.query_begin + head.position(r)));
  Entries entries;
  for (std::int64_t j = 0; j < head.num_keys; ++j) {
    const auto key = vector_of(owned.key, head.batch, head.kv_head, head.key_begin + j);
    std::vector<double> x;
    for (const auto& row : rows) x.push_back(product(row, key));
    const double energy = product(x, x);
    for (std::size_t i = 0; energy > 0 && i < x.size(); ++i) {
      const double share = x[i] * x[i] * tau / energy;
      EXPECT_GT(std::fabs(share - 1), 1e-9) << "a tie at row " << i << " key " << j;
      if (share >= 1) entries.emplace(i, j);
    }
  }
  return entries;
}

Entries entries_of(const RowLists& lists) {
  Entries entries;
  for (std::int64_t r = 0; r < lists.num_rows(); ++r) {
    const auto keys = lists.row(r);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end(), std::less_equal<>())) << "row " << r;
    for (const std::int32_t key : keys) EXPECT_TRUE(entries.emplace(r, key).second);
  }
  return entries;
}

Entries found(const HeadProblem& head, const ExpanderOptions& options, std::uint64_t seed = 1,
              SketchReport* report = nullptr) {
  const RowLists lists = find_heavy_hitters(head, options, Rng(seed, 0), 2, report);
  EXPECT_EQ(lists.num_rows(), head.num_rows());
  return entries_of(lists);
}

ExpanderOptions options_of(double tau, SketchMode mode) {
  ExpanderOptions options;
  options.tau = tau;
  options.mode = mode;
  return options;
}

// Queries of very different lengths (a few rows carry much of every column), keys near some of
// them.
OwnedProblem uneven_problem(const Dimensions& sizes, std::uint64_t seed, DType type = DType::f32) {
  OwnedProblem owned = gaussian_problem(sizes, seed, type);
  Draw draw(seed + 1000);
  const auto scale_row = [&](TensorBuffer& tensor, std::int64_t h, std::int64_t i, double by) {
    for (std::int64_t c = 0; c < sizes.head_dim; ++c)
      tensor.set(0, h, i, c, by * tensor.get(0, h, i, c));
  };
  for (std::int64_t h = 0; h < sizes.heads; ++h)
    for (std::int64_t i = 0; i < sizes.queries; ++i)
      if (draw.chance(0.03)) scale_row(owned.query, h, i, std::exp(1.5 + draw.normal()));
  for (std::int64_t j = 0; j < sizes.keys; ++j) {
    if (draw.chance(0.5)) continue;
    const std::int64_t h = draw.integer(0, sizes.heads - 1), i = draw.integer(0, sizes.queries - 1);
    for (std::int64_t c = 0; c < sizes.head_dim; ++c)
      owned.key.set(0, 0, j, c, owned.query.get(0, h, i, c) + 0.3 * draw.normal());
  }
  return owned;
}

TEST(Expander, ExactModesEqualBruteForce) {
  std::size_t entries = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Draw draw(seed);
    const std::int64_t heads = draw.integer(1, 3);
    const DType type = draw.one_of({DType::f32, DType::bf16, DType::f16});
    const OwnedProblem owned = uneven_problem({.heads = heads,
                                               .kv_heads = 1,
                                               .queries = draw.integer(1, 700),
                                               .keys = draw.integer(1, 150),
                                               .head_dim = draw.integer(1, 70),
                                               .value_dim = 1},
                                              seed, type);
    const HeadProblem head = first_head(owned);
    for (const double tau : {1.5, 8.0, 63.7}) {
      const Entries truth = brute_force(owned, head, tau);
      entries += truth.size();
      for (const SketchMode mode : kExactModes)
        EXPECT_EQ(found(head, options_of(tau, mode)), truth) << "seed " << seed << " tau " << tau;
    }
  }
  EXPECT_GT(entries, 10000U);
}

// x is free when D is small: column c of Q is a planted column, key c the unit vector c. Each
// column has `hitters` entries of the same size, at `share` of its energy together, and a Gaussian
// tail.
OwnedProblem planted_problem(std::int64_t rows, std::int64_t columns, std::int64_t hitters,
                             double share, std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem(
      {.queries = rows, .keys = columns, .head_dim = columns, .value_dim = 1}, seed);
  Draw draw(seed + 77);
  owned.key.fill([] { return 0.0; });
  for (std::int64_t c = 0; c < columns; ++c) {
    owned.key.set(0, 0, c, c, 1.0);
    const double tail = static_cast<double>(rows - hitters);
    const double size = std::sqrt(tail * share / (1 - share) / static_cast<double>(hitters));
    std::set<std::int64_t> planted;
    while (planted.size() < static_cast<std::size_t>(hitters))
      planted.insert(draw.integer(0, rows - 1));
    for (const std::int64_t i : planted)
      owned.query.set(0, 0, i, c, draw.chance(0.5) ? size : -size);
  }
  return owned;
}

// Every mode recovers planted entries 1.5 times the threshold; the odds of the sketches are in
// tests/statistical/expander_test.cc, the seeds here are fixed.
TEST(Expander, AllModesRecoverPlantedEntries) {
  for (const double tau : {4.0, 20.0, 60.0})
    for (const double share : {0.1, 0.6}) {
      const std::int64_t hitters =
          std::max<std::int64_t>(1, static_cast<std::int64_t>(share * tau / 1.5));
      const OwnedProblem owned =
          planted_problem(3001, 7, hitters, 1.5 * static_cast<double>(hitters) / tau, 11);
      const HeadProblem head = first_head(owned);
      const Entries truth = brute_force(owned, head, tau);
      ASSERT_GE(truth.size(), static_cast<std::size_t>(7 * hitters));
      for (const SketchMode mode : kAllModes)
        for (std::uint64_t seed = 1; seed <= 2; ++seed)
          EXPECT_EQ(found(head, options_of(tau, mode), seed), truth)
              << "mode " << static_cast<int>(mode) << " tau " << tau << " share " << share
              << " seed " << seed;
    }
}

// 20,000 rows in 48 groups: leaves of more than 64 rows, hence a second level of digits.
TEST(Expander, DigitTreesOfSeveralLevels) {
  const OwnedProblem owned = planted_problem(20000, 5, 1, 0.9, 3);
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 1.5);
  ASSERT_EQ(truth.size(), 5U);
  SketchReport report;
  EXPECT_EQ(found(head, options_of(1.5, SketchMode::countsketch), 1, &report), truth);
  EXPECT_EQ(report.sketch_rows, 2 * 2 * 48);
  EXPECT_LT(report.candidates, 5 * 2000);
}

TEST(Expander, ColumnsOfZerosHaveNoHeavyEntries) {
  OwnedProblem owned = planted_problem(500, 6, 2, 0.8, 5);
  for (std::int64_t i = 0; i < 500; ++i) owned.query.set(0, 0, i, 2, 0.0);  // column 2 is zero
  owned.key.set(0, 0, 4, 4, 0.0);                                           // key 4 is zero
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 10);
  EXPECT_EQ(truth.size(), 8U);
  for (const SketchMode mode : kAllModes) EXPECT_EQ(found(head, options_of(10, mode)), truth);
}

TEST(Expander, NothingButZeros) {
  OwnedProblem owned = planted_problem(40, 3, 1, 0.5, 5);
  owned.query.fill([] { return 0.0; });
  for (const SketchMode mode : kAllModes)
    EXPECT_TRUE(found(first_head(owned), options_of(10, mode)).empty());
}

TEST(Expander, NoRowsAndNoKeys) {
  for (const auto& [rows, keys] : {std::pair{0, 5}, std::pair{5, 0}, std::pair{0, 0}}) {
    const OwnedProblem owned = gaussian_problem({.queries = rows, .keys = keys}, 1);
    for (const SketchMode mode : kAllModes)
      EXPECT_TRUE(found(first_head(owned), options_of(10, mode)).empty());
  }
}

TEST(Expander, DuplicateRowsAreAllFound) {
  OwnedProblem owned = planted_problem(900, 4, 1, 0.5, 9);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t c = 0; c < 4; ++c) {
      owned.query.set(0, 0, 100 + i, c, 500.0);  // the same row four times, for all columns
    }
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 9);
  EXPECT_GE(truth.size(), 16U);
  for (const SketchMode mode : kAllModes) EXPECT_EQ(found(head, options_of(9, mode)), truth);
}

TEST(Expander, RowsAndKeysThatAreNotFiniteAreNeverListed) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  OwnedProblem owned = planted_problem(600, 5, 2, 0.8, 13);
  owned.query.set(0, 0, 17, 0, inf);
  owned.query.set(0, 0, 18, 1, std::nan(""));
  owned.key.set(0, 0, 3, 0, -inf);
  owned.key.set(0, 0, 4, 4, std::nan(""));
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 10);
  EXPECT_EQ(truth.size(), 6U);
  for (const SketchMode mode : kAllModes) EXPECT_EQ(found(head, options_of(10, mode)), truth);
}

// Products of the entries would overflow, or vanish, in f32.
TEST(Expander, ScalesDoNotMatter) {
  for (const auto& [query_scale, key_scale] :
       {std::pair{0x1p120, 0x1p127}, std::pair{0x1p-80, 1.0}, std::pair{1.0, 0x1p-149}}) {
    OwnedProblem owned = planted_problem(800, 5, 3, 0.8, 21);
    const Entries truth = brute_force(owned, first_head(owned), 12);
    EXPECT_EQ(truth.size(), 15U);
    for (std::int64_t c = 0; c < 5; ++c) {
      for (std::int64_t i = 0; i < 800; ++i)
        owned.query.set(0, 0, i, c, query_scale * owned.query.get(0, 0, i, c));
      owned.key.set(0, 0, c, c, key_scale);
    }
    for (const SketchMode mode : kAllModes)
      EXPECT_EQ(found(first_head(owned), options_of(12, mode)), truth);
  }
}

// Q has rank 3 of 8, so Q^T Q cannot be inverted; one more direction is 1e-6 of the others, and a
// key sees nothing else.
TEST(Expander, LeverageWithoutFullRank) {
  OwnedProblem owned =
      gaussian_problem({.queries = 400, .keys = 40, .head_dim = 8, .value_dim = 1}, 2);
  for (std::int64_t i = 0; i < 400; ++i) {
    for (std::int64_t c = 3; c < 8; ++c) owned.query.set(0, 0, i, c, 0.0);
    owned.query.set(0, 0, i, 5, i == 7 ? 1e-5 : 1e-6 * std::sin(static_cast<double>(i)));
    if (i % 50 == 0)
      for (std::int64_t c = 0; c < 3; ++c)
        owned.query.set(0, 0, i, c, 9 * owned.query.get(0, 0, i, c));
  }
  for (std::int64_t c = 0; c < 8; ++c) owned.key.set(0, 0, 0, c, c == 5 ? 1.0 : 0.0);
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 20);
  EXPECT_TRUE(truth.contains({7, 0}));
  EXPECT_GT(truth.size(), 10U);
  EXPECT_EQ(found(head, options_of(20, SketchMode::leverage)), truth);
}

// sum_i l_i <= D: at most tau D rows pass; on Gaussian rows, of leverage near D / n, none does.
TEST(Expander, LeverageLeavesFewRows) {
  const OwnedProblem uneven =
      uneven_problem({.queries = 3000, .keys = 10, .head_dim = 16, .value_dim = 1}, 8);
  SketchReport report;
  found(first_head(uneven), options_of(20, SketchMode::leverage), 1, &report);
  EXPECT_LE(report.sketch_rows, 16 * 20 + 1);
  EXPECT_GT(report.sketch_rows, 0);
  const OwnedProblem even =
      gaussian_problem({.queries = 3000, .keys = 10, .head_dim = 16, .value_dim = 1}, 8);
  found(first_head(even), options_of(20, SketchMode::leverage), 1, &report);
  EXPECT_EQ(report.sketch_rows, 0);
}

TEST(Expander, EveryHeadOfABatchAndPackedSequences) {
  OwnedProblem owned = gaussian_problem({.batch = 1,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .queries = 90,
                                         .keys = 80,
                                         .head_dim = 12,
                                         .value_dim = 1},
                                        6);
  owned.query_offsets = {0, 30, 90};
  owned.key_offsets = {0, 50, 80};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  for (const HeadProblem& head : split_heads(owned.problem)) {
    const Entries truth = brute_force(owned, head, 30);
    EXPECT_FALSE(truth.empty());
    for (const SketchMode mode : kExactModes)
      EXPECT_EQ(found(head, options_of(30, mode)), truth) << head.kv_head;
  }
}

TEST(Expander, ThreadsDoNotMatter) {
  const OwnedProblem owned =
      uneven_problem({.queries = 2500, .keys = 300, .head_dim = 24, .value_dim = 1}, 4);
  for (const SketchMode mode : kAllModes) {
    ExpanderOptions options = options_of(10, mode);
    options.width = mode == SketchMode::countsketch ? 4 : 1;  // misses some: sees other bits
    options.repetitions = 1;
    SketchReport one_report, many_report;
    const RowLists one = find_heavy_hitters(first_head(owned), options, Rng(5, 0), 1, &one_report);
    EXPECT_GT(one.num_entries(), 0);
    for (const int threads : {2, 7}) {
      const RowLists many =
          find_heavy_hitters(first_head(owned), options, Rng(5, 0), threads, &many_report);
      EXPECT_EQ(many.keys, one.keys);
      EXPECT_EQ(many.offsets, one.offsets);
      EXPECT_EQ(many_report.candidates, one_report.candidates);
    }
  }
}

TEST(Expander, EveryInstructionSet) {
  const OwnedProblem owned = planted_problem(1777, 9, 3, 0.6, 31);
  const HeadProblem head = first_head(owned);
  const Entries truth = brute_force(owned, head, 12);
  on_every_isa([&] {
    for (const SketchMode mode : kAllModes) EXPECT_EQ(found(head, options_of(12, mode)), truth);
  });
}

TEST(Expander, OptionsOutOfRangeAreErrors) {
  const OwnedProblem owned = gaussian_problem({.queries = 5, .keys = 5}, 1);
  const auto fails = [&](ExpanderOptions options) {
    EXPECT_THROW(find_heavy_hitters(first_head(owned), options, Rng(1, 0), 1), Error);
  };
  for (const double tau : {0.99, -1.0, 0.0, 1e9, std::nan("")})
    fails(options_of(tau, SketchMode::leverage));
  fails({.tau = 4, .width = -1});
  fails({.tau = 4, .width = 5000});
  fails({.tau = 4, .repetitions = 65});
  // A sketch of more than 2^31 elements.
  fails({.tau = 1 << 20, .mode = SketchMode::expander, .width = 4096});
}

TEST(Expander, OptionsFromASpec) {
  const auto parsed = [](const char* text) {
    const SpecPart part = parse_spec(text).front();
    SpecReader reader(part);
    const ExpanderOptions options = make_expander_options(reader);
    reader.finish();
    return options;
  };
  const ExpanderOptions defaults = parsed("expander");
  EXPECT_EQ(defaults.tau, 64);
  EXPECT_EQ(defaults.mode, SketchMode::leverage);
  const ExpanderOptions all = parsed("expander(12.5,mode=countsketch,width=7,repetitions=3)");
  EXPECT_EQ(all.tau, 12.5);
  EXPECT_EQ(all.mode, SketchMode::countsketch);
  EXPECT_EQ(all.width, 7);
  EXPECT_EQ(all.repetitions, 3);
  EXPECT_EQ(parsed("expander(mode=expander)").mode, SketchMode::expander);
  EXPECT_EQ(parsed("expander(mode=exhaustive)").mode, SketchMode::exhaustive);
  EXPECT_THROW(parsed("expander(tau=0.5)"), Error);
  EXPECT_THROW(parsed("expander(mode=fast)"), Error);
  EXPECT_THROW(parsed("expander(rows=4)"), Error);
}

// Code words of different messages agree in at most length - 1 chunks.
TEST(ExpanderCode, MinimumDistance) {
  const ChunkCode code(2);
  for (const std::int64_t a : {0, 1, 63, 64, 4095})
    for (std::int64_t b = 0; b < 4096; ++b) {
      std::int64_t agree = 0;
      for (std::int64_t j = 0; j < 12; ++j) agree += code.chunk(a, j) == code.chunk(b, j) ? 1 : 0;
      ASSERT_TRUE(a == b ? agree == 12 : agree <= 1) << a << " " << b;
    }
}

// With up to chunks - length - 1 wrong or missing chunks, the message is in the list.
TEST(ExpanderCode, DecodesErrorsAndErasures) {
  Draw draw(3);
  for (int trial = 0; trial < 300; ++trial) {
    const std::int64_t length = draw.integer(1, 5), chunks = 3 * length + 6;
    const ChunkCode code(length);
    const std::int64_t message = draw.integer(0, (std::int64_t{1} << (6 * length)) - 1);
    std::vector<ChunkCode::Reading> readings;
    std::int64_t bad = draw.integer(0, std::min<std::int64_t>(chunks - length - 1, 6));
    for (std::int64_t j = chunks - 1; j >= 0; --j) {
      const bool spoiled = draw.unit() * static_cast<double>(j + 1) < static_cast<double>(bad);
      bad -= spoiled ? 1 : 0;
      if (spoiled && draw.chance(0.5)) continue;
      const auto error = static_cast<std::int32_t>(spoiled ? draw.integer(1, 63) : 0);
      readings.push_back({static_cast<std::int32_t>(j), code.chunk(message, j) ^ error});
    }
    std::vector<std::int64_t> messages;
    code.decode(readings, messages);
    EXPECT_TRUE(std::find(messages.begin(), messages.end(), message) != messages.end())
        << "length " << length << " trial " << trial;
  }
}

// Two code words mixed, with both readings of most chunks: both are in the list.
TEST(ExpanderCode, ListsTwoMessages) {
  const ChunkCode code(3);
  std::vector<ChunkCode::Reading> readings;
  for (std::int32_t j = 0; j < 15; ++j) {
    if (j % 4 != 0) readings.push_back({j, code.chunk(123456, j)});
    if (j % 5 != 0) readings.push_back({j, code.chunk(98765, j)});
  }
  std::vector<std::int64_t> messages;
  code.decode(readings, messages);
  for (const std::int64_t message : {123456, 98765})
    EXPECT_TRUE(std::find(messages.begin(), messages.end(), message) != messages.end()) << message;
}

TEST(ExpanderCode, TooFewReadingsSayNothing) {
  const ChunkCode code(3);
  std::vector<std::int64_t> messages;
  code.decode({{0, 5}, {1, 6}, {2, 7}}, messages);
  EXPECT_TRUE(messages.empty());
}

TEST(ExpanderGraph, FourDifferentNeighboursAndTheirReverse) {
  for (std::int64_t vertices = RegularGraph::kFewestVertices; vertices <= 24; ++vertices)
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const RegularGraph graph(vertices, ExpanderDraws(Rng(seed, 0), 0));
      ASSERT_EQ(graph.size(), vertices);
      for (std::int64_t v = 0; v < vertices; ++v) {
        std::set<std::int64_t> neighbors{v};
        for (std::int64_t e = 0; e < RegularGraph::kDegree; ++e) {
          const std::int64_t other = graph.neighbor(v, e);
          neighbors.insert(other);
          EXPECT_EQ(graph.neighbor(other, graph.reverse(v, e)), v);
        }
        EXPECT_EQ(neighbors.size(), 5U) << vertices << " vertices, seed " << seed;
      }
    }
}

TEST(RowLists, ListsOfEntries) {
  const std::vector<std::vector<RowKey>> parts{{{2, 0}, {0, 1}}, {}, {{2, 5}, {2, 7}}};
  const RowLists lists = lists_of(parts, 4);
  EXPECT_EQ(lists.num_rows(), 4);
  EXPECT_EQ(lists.num_entries(), 4);
  EXPECT_EQ(lists.offsets, (std::vector<std::int64_t>{0, 1, 1, 4, 4}));
  EXPECT_EQ(lists.keys, (std::vector<std::int32_t>{1, 0, 5, 7}));
  EXPECT_EQ(lists.row(2).size(), 3U);
  EXPECT_TRUE(lists.row(3).empty());
}

}  // namespace
}  // namespace subquad::testing
