// Runs of keys: few rows that read the keys where they lie, packed rows, and what each run adds to
// which sums, against a double loop.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rows/attend_run.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t queries = 30, keys = 1400, head_dim = 24, value_dim = 20;
constexpr double tolerance = 3e-6;

using Ids = std::vector<std::int32_t>;

// A row's sums without their reference: l, then o.
using RowSums = std::vector<double>;

// Row i of the block, in units of 2^0.
RowSums read(const Partial& sums, std::int64_t i) {
  const double m = static_cast<double>(sums.m[i]);
  const double scale = m == -HUGE_VAL ? 0.0 : std::exp2(m);
  RowSums row{scale * static_cast<double>(sums.l[i])};
  for (std::int64_t c = 0; c < sums.value_dim; ++c)
    row.push_back(scale * static_cast<double>(sums.o[i * sums.o_stride + c]));
  return row;
}

// The keys of one head, and a block of its rows.
class Fixture {
 public:
  // With an engine, on tiles.
  Fixture(const Problem& problem, const IndexList& list,
          const kernels::TileEngine* engine = nullptr)
      : head_(split_heads(problem).front()),
        rows_(head_dim, value_dim, std::max<std::int64_t>(list.count, 1)),
        scratch_(head_dim, value_dim, engine) {
    rows_.load(head_, list);
  }

  void attend(const KeyRun& run, const EntrySets& taken = {}) {
    attend_run(head_, rows_, run, taken, scratch_);
  }
  // The packed way, whatever the number of rows: tiles that come packed.
  void attend_packed(KeyRun run, const EntrySets& taken = {}) {
    const std::int64_t step = scratch_.tile_keys;
    std::vector<KeyTile> tiles;
    for (std::int64_t begin = 0; begin < run.keys.count; begin += step) {
      const std::int64_t count = std::min(step, run.keys.count - begin);
      tiles.emplace_back(head_dim, value_dim, count)
          .pack(head_, run.keys.slice(begin, count),
                run.bias != nullptr ? run.bias + begin : nullptr);
    }
    run.tiles = tiles;
    attend(run, taken);
  }
  RowSums sums(std::int64_t i) { return read(rows_.partial(), i); }
  std::int64_t tile_keys() const { return scratch_.tile_keys; }
  std::int64_t on_tiles() const { return scratch_.on_tiles->entries(); }

 private:
  HeadProblem head_;
  RowBlock rows_;
  TileScratch scratch_;
};

double at(const TensorView& view, std::int64_t i, std::int64_t c) {
  return read_element(view, view.offset(0, 0, i) + c);
}

// Each key twice as far out and with a log2 weight of its own.
class OtherKeys final : public KeySource {
 public:
  explicit OtherKeys(const Problem& problem) : problem_(problem) {}
  void load(const IndexList& list, float* points, float* values, float* bias) const override {
    for (std::int64_t k = 0; k < list.count; ++k) {
      for (std::int64_t c = 0; c < head_dim; ++c)
        *points++ = static_cast<float>(2 * at(problem_.key, list[k], c));
      for (std::int64_t c = 0; c < value_dim; ++c)
        *values++ = static_cast<float>(at(problem_.value, list[k], c));
      bias[k] = bias_of(list[k]);
    }
  }
  static float bias_of(std::int64_t key) { return 0.25f * static_cast<float>(key % 5); }

 private:
  const Problem& problem_;
};

// By the definition: adds a run to a row's sums.
void add_run(const Problem& p, std::int64_t row, const KeyRun& run, RowSums& sums) {
  const auto scale = static_cast<double>(resolved_scale(p));
  for (std::int64_t n = 0; n < run.keys.count; ++n) {
    const std::int64_t j = run.keys[n];
    if (!in_band(p, {0, p.query.length(), 0, p.key.length()}, row, j)) continue;
    double score = mask_entry(p.mask, 0, 0, row, j);
    for (std::int64_t c = 0; c < head_dim; ++c)
      score += scale * at(p.query, row, c) * at(p.key, j, c);
    double w = std::exp(score);
    if (run.bias != nullptr) w *= std::exp2(static_cast<double>(run.bias[n]));
    if (w == 0) continue;
    if (run.sums != Sums::values) sums[0] += w;
    if (run.sums == Sums::weights) continue;
    for (std::int64_t c = 0; c < value_dim; ++c)
      sums[static_cast<std::size_t>(c + 1)] += w * at(p.value, j, c);
  }
}

// Relative to the row's largest possible sum: l times the largest value.
void expect_sums(const RowSums& got, const RowSums& want, double scale,
                 double allowed = tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t c = 0; c < got.size(); ++c) {
    if (std::isfinite(want[c]))
      EXPECT_NEAR(got[c], want[c], allowed * scale) << "sum " << c;
    else
      EXPECT_TRUE(std::isnan(want[c]) ? std::isnan(got[c]) : got[c] == want[c])
          << "sum " << c << ": " << got[c] << " for " << want[c];
  }
}

OwnedProblem random_run_problem(std::uint64_t seed, DType type) {
  return gaussian_problem(
      {.queries = queries, .keys = keys, .head_dim = head_dim, .value_dim = value_dim}, seed, type);
}

// Ids that rise, with repeats, or in any order; a bias for each.
struct Selection {
  Ids ids;
  std::vector<float> bias;
  bool ascending;

  Selection(std::int64_t count, bool sorted, std::uint64_t seed) : ascending(sorted) {
    Draw draw(seed);
    for (std::int64_t n = 0; n < count; ++n) {
      ids.push_back(static_cast<std::int32_t>(draw.integer(0, keys - 1)));
      bias.push_back(static_cast<float>(3.0 * draw.normal()));
    }
    if (sorted) std::sort(ids.begin(), ids.end());
  }
  IndexList list() const {
    return {ids.data(), 0, static_cast<std::int64_t>(ids.size()), ascending};
  }
};

// What the sums can be as large as.
double scale_of(const RowSums& want) {
  double largest = 1;
  for (const double x : want)
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  return 2 * largest;
}

// Runs of the list `rows` against the definition, on every instruction set: as they come, and
// packed.
void check_run(const Problem& problem, const IndexList& rows, const KeyRun& run) {
  std::vector<RowSums> wanted;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    wanted.emplace_back(1 + value_dim, 0.0);
    if (i >= run.rows.begin && i < run.rows.end) add_run(problem, rows[i], run, wanted.back());
  }
  on_every_isa([&] {
    Fixture direct(problem, rows), packed(problem, rows);
    direct.attend(run);
    packed.attend_packed(run);
    for (std::int64_t i = 0; i < rows.count; ++i) {
      const RowSums& want = wanted[static_cast<std::size_t>(i)];
      expect_sums(direct.sums(i), want, scale_of(want));
      expect_sums(packed.sums(i), want, scale_of(want));
    }
  });
}

void check_selections(const Problem& problem, const IndexList& rows, const Range& part) {
  for (const std::int64_t count : {1, 63, 700, 1400})  // up to three tiles
    for (const bool sorted : {false, true})
      for (const bool weighted : {false, true}) {
        SCOPED_TRACE(::testing::Message() << count << (sorted ? " sorted" : "") << " ids"
                                          << (weighted ? " weighted" : ""));
        const Selection some(count, sorted, static_cast<std::uint64_t>(count));
        check_run(
            problem, rows,
            {.rows = part, .keys = some.list(), .bias = weighted ? some.bias.data() : nullptr});
      }
  check_run(problem, rows, {.rows = part, .keys = index_range(3, 1390)});
}

TEST(KeyRun, GatheredKeysAndBiasMatchADoubleLoop) {
  const Ids mixed{7, 3, 29, 11, 0, 18, 5, 28, 12, 13, 14, 2, 1, 25};
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
    OwnedProblem owned = random_run_problem(5, type);
    SCOPED_TRACE(name_of(type));
    for (const Causal causal : {Causal::none, Causal::bottom_right}) {
      owned.problem.causal = causal;
      check_selections(owned.problem, index_range(10, 14), {1, 3});
      check_selections(owned.problem, {mixed.data(), 0, 14, false}, {4, 12});  // 8: few
      check_selections(owned.problem, {mixed.data(), 0, 14, false}, {0, 14});  // more: packed
      if (HasFailure()) return;
    }
  }
}

// Causal rows that see the first of the gathered keys only, or none.
TEST(KeyRun, HiddenKeysAreLeftOut) {
  OwnedProblem owned = random_run_problem(6, DType::f32);
  owned.problem.causal = Causal::top_left;
  const Ids ids{0, 2, 2, 9, 15, 16, 700};
  check_run(owned.problem, index_range(0, 6), {.rows = {0, 6}, .keys = {ids.data(), 0, 7, true}});
  check_run(owned.problem, index_range(0, 6),
            {.rows = {2, 5}, .keys = {ids.data() + 3, 0, 4, true}, .sums = Sums::weights});
  owned.problem.window = {4, -1, Alignment::top_left};
  check_run(owned.problem, index_range(0, 30), {.rows = {9, 17}, .keys = {ids.data(), 0, 7, true}});
}

// Values with an Inf or NaN reach the rows that see them, not those that mask them.
TEST(KeyRun, WildValuesReachTheRowsThatSeeThem) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (const bool masked : {false, true}) {
    OwnedProblem owned = random_run_problem(7, DType::f32);
    owned.value.set(0, 0, 40, 3, std::nan(""));
    owned.value.set(0, 0, 41, 4, inf);
    owned.value.set(0, 0, 900, 5, -inf);
    Draw draw(3);
    owned.boolean_mask.resize(queries * keys);
    for (auto& entry : owned.boolean_mask) entry = draw.chance(0.5) ? 1 : 0;
    if (masked)
      owned.problem.mask = {MaskKind::boolean,
                            owned.boolean_mask.data(),
                            {1, 1, queries, keys},
                            {queries * keys, queries * keys, keys, 1}};
    const Ids ids{1, 40, 41, 500, 900, 901};
    const std::vector<float> bias{0.5F, 1.0F, -2.0F, 0.0F, 3.0F, 1.5F};
    for (const std::int64_t end : {6, 20})  // few rows and many
      for (const Sums sums : {Sums::both, Sums::values, Sums::weights}) {
        check_run(owned.problem, index_range(0, 20),
                  {.rows = {0, end},
                   .keys = {ids.data(), 0, 6, true},
                   .bias = bias.data(),
                   .sums = sums});
        check_run(owned.problem, index_range(0, 20),
                  {.rows = {2, end}, .keys = index_range(0, keys), .sums = sums});
      }
    if (HasFailure()) return;
  }
}

// Several runs with roles of their own add up, in any order, whatever the references: one sample
// for the weights, another for the weighted values.
TEST(KeyRun, RolesAddToTheirSums) {
  const OwnedProblem owned = random_run_problem(8, DType::f32);
  const Selection a(90, true, 1), b(150, false, 2), c(300, true, 3);
  const std::vector<KeyRun> all{
      {.rows = {0, 12}, .keys = a.list(), .bias = a.bias.data(), .sums = Sums::weights},
      {.rows = {2, 7}, .keys = b.list(), .bias = b.bias.data(), .sums = Sums::values},
      {.rows = {0, 12}, .keys = c.list(), .bias = nullptr, .sums = Sums::both},
      {.rows = {1, 12}, .keys = b.list(), .bias = a.bias.data(), .sums = Sums::values}};
  KeyRun short_run = all[3];
  short_run.keys = short_run.keys.slice(0, 90);
  for (const std::vector<KeyRun>& runs : {std::vector<KeyRun>{all[0], all[1], all[2], short_run},
                                          {all[1], all[0]},
                                          {all[2], all[1]},
                                          {short_run},
                                          {all[0]},
                                          {all[1], all[1], all[0], all[2], all[0]}}) {
    Fixture fixture(owned.problem, index_range(4, 16));
    for (const KeyRun& run : runs) fixture.attend(run);
    for (std::int64_t i = 0; i < 12; ++i) {
      RowSums want(1 + value_dim, 0.0);
      for (const KeyRun& run : runs)
        if (i >= run.rows.begin && i < run.rows.end) add_run(owned.problem, 4 + i, run, want);
      expect_sums(fixture.sums(i), want, scale_of(want));
    }
  }
}

// Entries with an odd sum of row and key.
class OddEntries final : public EntrySet {
 public:
  void remove(const IndexList& rows, const IndexList& list, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < list.count; ++c)
        if ((rows[r] + list[c]) % 2 == 1) scores[r * stride + c] = -HUGE_VALF;
  }
};

// Keys from 600 on.
class LateKeys final : public EntrySet {
 public:
  bool may_meet(const IndexList& rows, const IndexList& list) const override {
    for (std::int64_t c = 0; c < list.count; ++c)
      if (rows.count > 0 && list[c] >= 600) return true;
    return false;
  }
  void remove(const IndexList& rows, const IndexList& list, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < list.count; ++c)
        if (list[c] >= 600) scores[r * stride + c] = -HUGE_VALF;
  }
};

// A run's own exceptions and the sets that others hold are left out, few rows or many.
TEST(KeyRun, LeavesOutWhatOthersHold) {
  const OwnedProblem owned = random_run_problem(9, DType::f32);
  const Selection some(500, false, 5);
  const OddEntries odd;
  const LateKeys late;
  for (const std::int64_t end : {5, 20})
    for (const bool with_late : {false, true}) {
      Fixture direct(owned.problem, index_range(0, 20)), packed(owned.problem, index_range(0, 20));
      const KeyRun run{.rows = {0, end}, .keys = some.list(), .leave_out = &odd};
      direct.attend(run, with_late ? EntrySets{&late} : EntrySets{});
      packed.attend_packed(run, with_late ? EntrySets{&late} : EntrySets{});
      for (std::int64_t i = 0; i < end; ++i) {
        Ids left;
        for (const std::int32_t id : some.ids)
          if ((i + id) % 2 == 0 && (!with_late || id < 600)) left.push_back(id);
        RowSums want(1 + value_dim, 0.0);
        add_run(owned.problem, i,
                {.rows = {0, end}, .keys = {left.data(), 0, std::int64_t(left.size()), false}},
                want);
        expect_sums(direct.sums(i), want, scale_of(want));
        expect_sums(packed.sums(i), want, scale_of(want));
      }
    }
}

// Tiles as the model of their instructions has them; AMX has its bits (kernels_tiles_test).
class OnTiles {
 public:
  explicit OnTiles(const Problem& problem) : problem_(problem) {}

  // A run of the list `rows`, less the sets, packed for itself or kept for others.
  void check(const IndexList& rows, KeyRun run, const EntrySets& taken = {}) {
    std::vector<RowSums> want;
    for (std::int64_t i = 0; i < rows.count; ++i) {
      want.emplace_back(1 + value_dim, 0.0);
      if (i < run.rows.begin || i >= run.rows.end) continue;
      const Selection left = left_of(rows[i], run, taken);
      KeyRun rest = run;
      rest.keys = left.list();
      if (run.bias != nullptr) rest.bias = left.bias.data();
      add_run(problem_, rows[i], rest, want.back());
    }
    for (const bool shared : {false, true}) {
      Fixture fixture(problem_, rows, &kernels::model_engine());
      shared ? fixture.attend_packed(run, taken) : fixture.attend(run, taken);
      EXPECT_GT(fixture.on_tiles(), 0);
      for (std::size_t i = 0; i < want.size(); ++i)
        expect_sums(fixture.sums(std::int64_t(i)), want[i], scale_of(want[i]),
                    kernels::kWeightError + tolerance);
    }
  }

 private:
  // The keys of the run that no set removes from the row.
  Selection left_of(std::int64_t row, const KeyRun& run, EntrySets sets) {
    if (run.leave_out != nullptr) sets.push_back(run.leave_out);
    Selection left(0, run.keys.sorted(), 0);
    const auto id = static_cast<std::int32_t>(row);
    for (std::int64_t n = 0; n < run.keys.count; ++n) {
      float score = 0;
      for (const EntrySet* set : sets)
        set->remove({&id, 0, 1, true}, run.keys.slice(n, 1), &score, 1, filter_);
      if (score != 0) continue;
      left.ids.push_back(static_cast<std::int32_t>(run.keys[n]));
      left.bias.push_back(run.bias != nullptr ? run.bias[n] : 0);
    }
    return left;
  }

  const Problem& problem_;
  FilterScratch filter_;
};

TEST(KeyRun, OnTilesListsBiasAndLeftOut) {
  OwnedProblem owned = random_run_problem(10, DType::bf16);
  const OddEntries odd;
  const LateKeys late;
  const Ids rows{7, 3, 29, 11, 0, 18, 5, 28, 12, 13, 14, 2, 1, 25};
  const std::vector<float> same(700, -1.25F);
  for (const Causal causal : {Causal::none, Causal::bottom_right, Causal::top_left}) {
    owned.problem.causal = causal;
    OnTiles tiles(owned.problem);
    for (const bool sorted : {false, true}) {
      const Selection some(700, sorted, 11);
      for (const float* bias : {(const float*)nullptr, some.bias.data(), same.data()})
        for (const Sums sums : {Sums::both, Sums::weights, Sums::values})
          for (const EntrySet* set : {(const EntrySet*)nullptr, (const EntrySet*)&odd})
            tiles.check({rows.data(), 0, 14, false},
                        {.rows = {2, 14},
                         .keys = some.list(),
                         .bias = bias,
                         .leave_out = set,
                         .sums = sums},
                        sorted ? EntrySets{&late} : EntrySets{});
    }
    tiles.check(index_range(0, 30), {.rows = {0, 30}, .keys = index_range(3, 1390)});
  }
}

// Queries, keys, values and weights that tiles cannot hold: their rows get them in f32.
TEST(KeyRun, OnTilesWhatDoesNotFitIsDoneOtherwise) {
  OwnedProblem owned = random_run_problem(11, DType::bf16);
  owned.value.set(0, 0, 40, 3, std::nan(""));
  owned.value.set(0, 0, 41, 4, HUGE_VAL);
  // Large numbers that meet zeros.
  for (std::int64_t j = 0; j < keys; ++j) owned.key.set(0, 0, j, 0, 0.0);
  for (std::int64_t i = 0; i < queries; ++i) owned.query.set(0, 0, i, 2, 0.0);
  owned.key.set(0, 0, 90, 2, 1e30);
  owned.query.set(0, 0, 6, 0, -1e25);
  owned.problem.causal = Causal::top_left;
  OnTiles tiles(owned.problem);
  tiles.check(index_range(0, 30), {.rows = {0, 30}, .keys = index_range(0, 1000)});
  Selection some(300, true, 12);
  some.bias[7] = 600;
  some.bias[8] = -700;
  tiles.check(index_range(0, 30), {.rows = {0, 30}, .keys = some.list(), .bias = some.bias.data()});
  owned.problem.causal = Causal::none;
  owned.value.set(0, 0, 40, 3, 1.0);
  owned.key.set(0, 0, 90, 2, 1.0);
  tiles.check(index_range(0, 30), {.rows = {0, 30}, .keys = index_range(0, 1000)});
}

TEST(KeyRun, EmptyRunsChangeNothing) {
  const OwnedProblem owned = random_run_problem(9, DType::f32);
  Fixture fixture(owned.problem, index_range(0, 20));
  for (const Sums sums : {Sums::both, Sums::weights, Sums::values}) {
    fixture.attend({.rows = {4, 4}, .keys = index_range(0, 100), .sums = sums});
    fixture.attend({.rows = {0, 20}, .keys = index_range(7, 7), .sums = sums});
  }
  for (std::int64_t i = 0; i < 20; ++i)
    for (const double sum : fixture.sums(i)) EXPECT_EQ(sum, 0.0);
}

// Lists stay where they are until clear(), however many follow.
TEST(RunList, ListsStayInPlace) {
  RunList runs;
  for (int round = 0; round < 3; ++round) {
    runs.clear();
    EXPECT_TRUE(runs.runs().empty());
    std::vector<std::vector<std::int32_t>*> lists;
    std::vector<std::vector<float>*> biases;
    for (std::int32_t n = 0; n < 50; ++n) {
      lists.push_back(&runs.new_ids());
      biases.push_back(&runs.new_bias());
      EXPECT_TRUE(lists.back()->empty());
      EXPECT_TRUE(biases.back()->empty());
      lists.back()->assign(7, n);
      biases.back()->assign(3, static_cast<float>(n));
      runs.add({.rows = {n, n + 1}, .keys = {lists.back()->data(), 0, 7, true}});
    }
    for (std::int32_t n = 0; n < 50; ++n) {
      const auto at_n = static_cast<std::size_t>(n);
      EXPECT_EQ(runs.runs()[at_n].rows.begin, n);
      EXPECT_EQ(runs.runs()[at_n].keys[6], n);
      EXPECT_EQ((*biases[at_n])[2], static_cast<float>(n));
    }
  }
}

// Whatever the head holds; also a few rows, which would read the head's keys where they lie.
TEST(KeyRun, ASourceGivesKeysValuesAndWeights) {
  const OwnedProblem owned = random_run_problem(31, DType::f32);
  OwnedProblem doubled = random_run_problem(31, DType::f32);
  for (std::int64_t k = 0; k < keys; ++k)
    for (std::int64_t c = 0; c < head_dim; ++c)
      doubled.key.set(0, 0, k, c, 2 * doubled.key.get(0, 0, k, c));
  const OtherKeys source(owned.problem);
  Selection selection(700, false, 32);
  for (std::size_t n = 0; n < selection.ids.size(); ++n)
    selection.bias[n] = OtherKeys::bias_of(selection.ids[n]);
  KeyRun plain;
  plain.keys = selection.list();
  plain.bias = selection.bias.data();
  KeyRun run;
  run.keys = selection.list();
  run.source = &source;
  for (const std::int64_t count : {std::int64_t{3}, queries}) {
    run.rows = {0, count};
    Fixture fixture(owned.problem, index_range(0, count));
    fixture.attend(run);
    for (std::int64_t i = 0; i < count; ++i) {
      RowSums want(1 + value_dim, 0.0);
      add_run(doubled.problem, i, plain, want);
      expect_sums(fixture.sums(i), want, scale_of(want));
    }
  }
}

}  // namespace
}  // namespace subquad::testing
