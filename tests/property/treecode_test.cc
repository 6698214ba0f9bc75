// treecode: the leaves of a head against a plain double loop, its limits, what a row may depend on,
// and the same bits for any portion of the tokens.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "far/leaves/leaf_field.h"
#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_probes.h"
#include "far/leaves/leaf_reach.h"
#include "property/exact_support.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"
#include "support/invalid.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr float kAll = -std::numeric_limits<float>::infinity();

OwnedProblem text_like(std::int64_t n, std::int64_t heads, std::int64_t kv_heads,
                       std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem({1, heads, kv_heads, n, n, 24, 16}, seed, DType::f32, 1.5);
  owned.problem.causal = Causal::top_left;
  return owned;
}

// One head, its index, and its rows in double.
class PlainLeaves {
 public:
  PlainLeaves(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach)
      : head_(head), index_(index), reach_(reach) {
    keys_ = load(head.problem->key, head.num_keys, head.head_dim(), 1, head.kv_head);
    values_ = load(head.problem->value, head.num_keys, head.value_dim(), 1, head.kv_head);
  }

  // The row's output over the leaves of `prefix` chunks; the sum of weights too, in base 2.
  // `unsure`: a leaf is about as heavy as the limit.
  std::vector<double> row(std::int64_t row, std::int64_t prefix, float limit, bool& unsure) const {
    std::vector<float> query(static_cast<std::size_t>(head_.head_dim()));
    load_head_rows(head_, head_.problem->query, index_range(row, row + 1), head_.scale_log2,
                   query.data(), head_.head_dim());
    const std::vector<float> reach = reach_of(query, index_.leaves_in(prefix));
    std::vector<double> closed;
    double total = 0;
    for (std::int64_t leaf = 0; leaf < index_.leaves_in(prefix); ++leaf) {
      closed.push_back(mean_score(query, leaf));
      total += size() * std::exp2(closed.back());
    }
    std::vector<double> sums(static_cast<std::size_t>(head_.value_dim()) + 1, 0.0);
    for (std::int64_t leaf = 0; leaf < index_.leaves_in(prefix); ++leaf) {
      const double score = closed[static_cast<std::size_t>(leaf)];
      const double above =
          score + double{reach[static_cast<std::size_t>(leaf)]} - std::log2(total) - double{limit};
      unsure = unsure || std::abs(above) < 1e-3;
      for (std::int64_t i = 0; i < index_.shape().leaf; ++i) {
        const std::int64_t key = index_.members(leaf)[i];
        add(key, std::exp2(above > 0 ? key_score(query, key) : score), sums);
      }
    }
    for (std::size_t d = 0; d + 1 < sums.size(); ++d) sums[d] /= sums.back();
    return sums;
  }

 private:
  double size() const { return static_cast<double>(index_.shape().leaf); }
  static std::vector<double> load(const TensorView& view, std::int64_t count, std::int64_t width,
                                  std::int64_t, std::int64_t head) {
    std::vector<double> rows;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t d = 0; d < width; ++d)
        rows.push_back(double{static_cast<const float*>(view.data)[view.offset(0, head, i) + d]});
    return rows;
  }
  std::vector<float> reach_of(const std::vector<float>& query, std::int64_t leaves) const {
    std::vector<float> squares(query.size()), reach(static_cast<std::size_t>(score_stride(leaves)));
    reach_.measure({query.data(), std::ssize(query), 1}, leaves, squares.data(), reach.data(),
                   std::ssize(reach));
    return reach;
  }
  double key_score(const std::vector<float>& query, std::int64_t key) const {
    double sum = 0;
    for (std::size_t d = 0; d < query.size(); ++d)
      sum += double{query[d]} * keys_[static_cast<std::size_t>(key) * query.size() + d];
    return sum;
  }
  double mean_score(const std::vector<float>& query, std::int64_t leaf) const {
    double sum = 0;
    for (std::int64_t i = 0; i < index_.shape().leaf; ++i)
      sum += key_score(query, index_.members(leaf)[i]);
    return sum / size();
  }
  void add(std::int64_t key, double weight, std::vector<double>& sums) const {
    const std::size_t width = sums.size() - 1;
    for (std::size_t d = 0; d < width; ++d)
      sums[d] += weight * values_[static_cast<std::size_t>(key) * width + d];
    sums.back() += weight;
  }

  const HeadProblem& head_;
  const LeafIndex& index_;
  const LeafReach& reach_;
  std::vector<double> keys_, values_;
};

// The largest difference of the field's rows from the plain ones; at least half of them are sure.
double field_error(const HeadProblem& head, const LeafShape& shape, float limit) {
  const std::int64_t chunks = head.num_keys / shape.chunk, last = head.num_rows();
  const LeafIndex index(head, shape, chunks, Rng(1, 0), 1);
  const LeafReach reach(index, 1);
  LeafField field(head, index, reach);
  const PlainLeaves plain(head, index, reach);
  RowBlock rows(head.head_dim(), head.value_dim(), 40);
  TileScratch scratch(head.head_dim(), head.value_dim());
  rows.load(head, index_range(last - 40, last));
  const std::vector<float> limits(static_cast<std::size_t>(head.group), limit);
  field.add(rows, chunks, limits, {}, scratch.panel);
  double worst = 0;
  int sure = 0;
  for (std::int64_t r = 0; r < 40; ++r) {
    bool unsure = false;
    const std::vector<double> want = plain.row(last - 40 + r, chunks, limit, unsure);
    if (unsure) continue;
    ++sure;
    const Partial got = rows.partial().slice(r, 1);
    for (std::int64_t d = 0; d < head.value_dim(); ++d)
      worst = std::max(
          worst, std::abs(double{got.o[d]} / double{got.l[0]} - want[static_cast<std::size_t>(d)]));
    worst = std::max(
        worst, std::abs(double{got.m[0]} + std::log2(double{got.l[0]}) - std::log2(want.back())));
  }
  EXPECT_GE(sure, 20);
  return worst;
}

TEST(Treecode, LeavesAreThoseOfAPlainLoop) {
  on_every_isa([] {
    for (const std::int64_t group : {1, 3}) {
      const OwnedProblem owned = text_like(320, group, 1, 11);
      const HeadProblem head = split_heads(owned.problem).front();
      for (const std::int64_t leaf : {8, 16, 32, 64})
        for (const float limit : {20.0f, 1.0f, -1.0f, -3.0f, kAll}) {
          SCOPED_TRACE(leaf);
          EXPECT_LT(field_error(head, {leaf, 64}, limit), 2e-5) << limit;
        }
    }
  });
}

// What the probes say of a limit is what happens at that limit.
TEST(Treecode, ProbesPredictTheirOwnRows) {
  const OwnedProblem owned = text_like(512, 2, 1, 5);
  const HeadProblem head = split_heads(owned.problem).front();
  const LeafIndex index(head, {16, 128}, 3, Rng(1, 0), 1);
  const LeafReach reach(index, 1);
  const std::vector<std::int32_t> rows{900, 901, 950};
  const std::vector<std::int64_t> prefixes{3, 3, 3};
  const LeafProbes probes(head, index, reach, rows, prefixes, 1);
  const ReferenceAttention exact(owned.problem);
  for (const std::int64_t number : {0, 20, 32, 40, 63}) {
    RowBlock block(head.head_dim(), head.value_dim(), 8);
    TileScratch scratch(head.head_dim(), head.value_dim());
    block.load(head, {rows.data(), 0, 3, true});
    for (std::int64_t r = 0; r < 3; ++r)
      attend_run(
          head, block,
          {{r, r + 1}, index_range(384, head.visible(rows[static_cast<std::size_t>(r)]).end)}, {},
          scratch);
    LeafField field(head, index, reach);
    field.add(block, 3, std::vector<float>(2, limit_of(number)), {}, scratch.panel);
    for (std::int64_t r = 0; r < 3; ++r) {
      const LeafProbe& probe = probes.probes()[static_cast<std::size_t>(r)];
      const Partial sums = block.partial().slice(r, 1);
      double square = 0, out = 0;
      for (std::int64_t d = 0; d < head.value_dim(); ++d) {
        const double want = exact.out.row(0, probe.row % 2, probe.row / 2)[d];
        const double off = double{sums.o[d]} / double{sums.l[0]} - want;
        square += off * off;
        out += want * want;
      }
      EXPECT_NEAR(double{probe.out_square}, out, 1e-4 * out);
      EXPECT_NEAR(std::sqrt(double{probe.error[number]}), std::sqrt(square),
                  1e-3 * std::sqrt(square) + 1e-5 * std::sqrt(out))
          << number;
    }
  }
}

ForwardRun run_first(const OwnedProblem& owned, std::int64_t tokens, const std::string& spec) {
  Problem problem = owned.problem;
  problem.query.shape[2] = problem.key.shape[2] = problem.value.shape[2] = tokens;
  return run_forward(problem, DType::f32, 2, {}, spec);
}

// Row by row the same bits, whatever follows.
TEST(Treecode, OutputOfTheFirstTokensIsThatOfARunOnThem) {
  const std::string spec = "treecode(error=0.1,leaf=16,chunk=128,window=32,probe_every=8)";
  const OwnedProblem owned = text_like(900, 4, 2, 3);
  const ForwardRun all = run_first(owned, 900, spec);
  for (const std::int64_t tokens : {899, 700, 513}) {
    const ForwardRun first = run_first(owned, tokens, spec);
    std::int64_t changed = 0;
    for (std::int64_t h = 0; h < 4; ++h)
      for (std::int64_t i = 0; i < tokens; ++i)
        for (std::int64_t d = 0; d < 16; ++d)
          changed += all.out.get(0, h, i, d) == first.out.get(0, h, i, d) ? 0 : 1;
    EXPECT_EQ(changed, 0) << tokens;
  }
}

TEST(Treecode, KeepsTheErrorAskedForWithoutOpeningAll) {
  for (const double error : {0.2, 0.05}) {
    const OwnedProblem owned = text_like(3000, 2, 1, 8);
    const ReferenceAttention exact(owned.problem);
    const ForwardRun run = run_forward(owned.problem, DType::f32, 2, {},
                                       fmt::format("treecode(error={},always=true)", error));
    EXPECT_LT(relative_error(run.out, exact.out), error);
    EXPECT_NEAR(run.report.estimated_error, relative_error(run.out, exact.out), error);
  }
}

void set(TensorBuffer& tensor, std::int64_t head, std::int64_t position, double value) {
  for (std::int64_t d = 0; d < tensor.shape()[3]; ++d) tensor.set(0, head, position, d, value);
}

// Products that float32 cannot hold: by the rules of exact attention, in their own rows alone.
TEST(Treecode, HugeNumbersAreMetExactly) {
  const std::string spec =
      "treecode(error=0.1,leaf=16,chunk=128,window=32,probe_every=8,always=true)";
  OwnedProblem plain = text_like(700, 2, 1, 4), query = text_like(700, 2, 1, 4),
               key = text_like(700, 2, 1, 4), value = text_like(700, 2, 1, 4);
  set(query.query, 1, 600, 3e38);
  set(key.key, 0, 150, -1e38);
  set(value.value, 0, 300, 3e38);
  const ForwardRun expected = run_forward(plain.problem, DType::f32, 1, {}, spec);
  for (OwnedProblem* owned : {&query, &key, &value}) {
    const ForwardRun run = run_forward(owned->problem, DType::f32, 2, {}, spec);
    const ForwardRun exact = run_forward(owned->problem, DType::f32, 2, {}, "exact");
    for (const std::int64_t row : {140, 600, 699})
      for (std::int64_t d = 0; d < 16; ++d) {
        const double got = run.out.get(0, 1, row, d), want = exact.out.get(0, 1, row, d);
        if (row == 600 || (row == 699 && owned != &query)) {
          EXPECT_NEAR(got, want, 1e-5 * std::abs(want) + 1e-5) << row;
        } else {
          EXPECT_EQ(got, expected.out.get(0, 1, row, d)) << row;
        }
      }
  }
}

TEST(Treecode, RefusesShapesThatDoNotFit) {
  const OwnedProblem owned = text_like(64, 1, 1, 1);
  const auto run = [&](const std::string& spec) {
    return [&owned, spec] { run_forward(owned.problem, DType::f32, 1, {}, spec); };
  };
  expect_invalid("leaf", run("treecode(leaf=12)"));
  expect_invalid("leaf", run("treecode(leaf=512)"));
  expect_invalid("chunk", run("treecode(leaf=32,chunk=80)"));
  expect_invalid("error", run("treecode(error=0)"));
  expect_invalid("window", run("treecode(window=-1)"));
  expect_invalid("chunk", run("far(chunk=80)"));
}

}  // namespace
}  // namespace subquad::testing
