// The derivative of treecode against central differences of its definition in double precision.
// Held fixed, as the library does: the leaves' members, the limits, and what each row opens.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "far/leaves/treecode_part.h"
#include "run/each_plan.h"
#include "support/gradient_differences.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

struct PlainRow {
  std::vector<double> out;
  double lse;
};

// The heads of a head's sequence, which share an error, and their plans.
struct Sequence {
  Sequence(const HeadProblem& head, const Method& method) {
    for (const HeadProblem& other : split_heads(*head.problem)) {
      if (other.batch != head.batch || other.query_begin != head.query_begin) continue;
      if (other.kv_head == head.kv_head) number = heads.size();
      heads.push_back(other);
    }
    plans = sharing_plans(heads, method, kSeed, 1);
  }

  std::vector<HeadProblem> heads;
  std::vector<std::unique_ptr<HeadPlan>> plans;
  std::size_t number = 0;
};

// What the forward has chosen for one head, and its sums in double. The members of the leaves, the
// limits and how far the leaves reach are the library's; which leaves a row opens is decided here.
class PlainTreecode {
 public:
  PlainTreecode(const HeadProblem& head, const Method& method)
      : head_(head), sequence_(std::make_shared<Sequence>(head, method)) {
    HeadPlan& plan = *sequence_->plans[sequence_->number];
    plan.finish(head);
    part_ = dynamic_cast<const Treecode*>(plan.light().model.get());
    const PlainTensors plain(head);
    for (std::int64_t row = 0; row < head.num_rows(); ++row) choose(plain, row);
  }

  bool exact() const { return part_->wants_exact(); }
  // How sure the choices are, in powers of two; the pairs of rows and leaves of each kind.
  double margin() const { return margin_; }
  std::int64_t opened() const { return opened_; }
  std::int64_t closed() const { return closed_; }
  std::int64_t held() const { return held_; }

  bool chooses_as(const PlainTreecode& other) const {
    const LeafIndex &mine = part_->index(), &others = other.part_->index();
    return open_ == other.open_ && mine.size() == others.size() &&
           std::equal(mine.members(0).ids, mine.members(mine.size()).ids, others.members(0).ids);
  }

  PlainRow row(const PlainTensors& plain, std::int64_t i) const {
    std::vector<double> sums(at(plain.value_dim + 1), 0.0);
    const std::vector<std::uint8_t>& open = open_[at(i)];
    for (std::int64_t j = near(i); j < head_.visible(i).end; ++j)
      add(plain.score(i, j), plain, j, sums);
    for (std::int64_t leaf = 0; leaf < static_cast<std::int64_t>(open.size()); ++leaf) {
      const IndexList members = part_->index().members(leaf);
      const double mean = mean_score(plain, i, members);
      for (std::int64_t k = 0; k < members.count; ++k)
        add(open[at(leaf)] != 0 ? plain.score(i, members[k]) : mean, plain, members[k], sums);
    }
    if (!head_.problem->sink_logits.empty()) sums.back() += std::exp2(double{head_.sink_log2(i)});
    PlainRow row{{sums.begin(), sums.end() - 1}, std::log(sums.back())};
    for (double& x : row.out) x /= sums.back();
    return row;
  }

 private:
  std::int64_t near(std::int64_t i) const {
    return part_->chunks_before(i) * part_->index().shape().chunk;
  }
  static double mean_score(const PlainTensors& plain, std::int64_t i, const IndexList& members) {
    double sum = 0;
    for (std::int64_t k = 0; k < members.count; ++k) sum += plain.score(i, members[k]);
    return sum / static_cast<double>(members.count);
  }
  static void add(double score, const PlainTensors& plain, std::int64_t j,
                  std::vector<double>& sums) {
    const double weight = std::exp(score);
    add_scaled(weight, plain.value.row(j), plain.value_dim, sums.data());
    sums.back() += weight;
  }

  bool is_held(std::int64_t row, std::int64_t key) const {
    const auto id = static_cast<std::int32_t>(row);
    float mark = 0;
    FilterScratch scratch;
    for (const EntrySet* set : part_->heavy())
      set->remove({&id, 0, 1, true}, index_range(key, key + 1), &mark, 1, scratch);
    return mark != 0;
  }

  // log2 of size (2^(3 s) - 1) times what the values differ by; s^2: the row's variance of scores.
  double reach_of(const PlainTensors& plain, std::int64_t row, std::int64_t leaf) const {
    const LeafIndex& index = part_->index();
    if (index.holds_sink(leaf)) return std::numeric_limits<double>::infinity();
    const IndexList members = index.members(leaf);
    const auto size = static_cast<double>(members.count);
    double square = 0;
    for (std::int64_t d = 0; d < plain.dim; ++d) {
      double mean = 0, variance = 0;
      for (std::int64_t k = 0; k < members.count; ++k) mean += plain.key.row(members[k])[d] / size;
      for (std::int64_t k = 0; k < members.count; ++k)
        variance += std::pow(plain.key.row(members[k])[d] - mean, 2) / size;
      square += std::pow(plain.query.row(row)[d] * std::numbers::log2e, 2) * variance;
    }
    return std::log2(size * std::expm1(3 * std::sqrt(square) * std::numbers::ln2) *
                     double{index.value_distance(leaf)});
  }

  void choose(const PlainTensors& plain, std::int64_t row) {
    const std::int64_t prefix = part_->chunks_before(row);
    open_.emplace_back();
    if (prefix == 0) return;
    const LeafIndex& index = part_->index();
    const std::int64_t leaves = index.leaves_in(prefix);
    std::vector<double> scores;  // base 2
    std::vector<bool> holds(at(leaves), false);
    double total = 0;
    for (std::int64_t j = near(row); j < head_.visible(row).end; ++j)
      total += std::exp(plain.score(row, j));
    for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
      const IndexList members = index.members(leaf);
      const double mean = mean_score(plain, row, members);
      scores.push_back(mean * std::numbers::log2e);
      total += static_cast<double>(members.count) * std::exp(mean);
      for (std::int64_t k = 0; k < members.count; ++k) {
        if (!is_held(row, members[k])) continue;
        holds[at(leaf)] = true;
        total += std::exp(plain.score(row, members[k]));
      }
    }
    const double limit = double{part_->limits(prefix)[at(row % head_.group)]} + std::log2(total);
    for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
      const double above = scores[at(leaf)] + reach_of(plain, row, leaf) - limit;
      margin_ = std::min(margin_, std::fabs(above));
      held_ += holds[at(leaf)] && above <= 0 ? 1 : 0;
      open_.back().push_back(above > 0 || holds[at(leaf)] ? 1 : 0);
      ++(open_.back().back() != 0 ? opened_ : closed_);
    }
  }

  const HeadProblem& head_;
  std::shared_ptr<Sequence> sequence_;
  const Treecode* part_;
  std::vector<std::vector<std::uint8_t>> open_;  // by row and leaf
  double margin_ = std::numeric_limits<double>::infinity();
  std::int64_t opened_ = 0, closed_ = 0, held_ = 0;
};

struct Choices {
  double margin = std::numeric_limits<double>::infinity();
  std::int64_t opened = 0, closed = 0, held = 0;
  double forward_error = 0;  // the library's output and lse, against the plain ones
};

Choices choices_of(const MethodCase& setup) {
  const Method method = parse_method(setup.spec);
  const ForwardRun run = forward_of(setup);
  Choices all;
  for (const HeadProblem& head : split_heads(setup.problem)) {
    const PlainTreecode plain(head, method);
    EXPECT_FALSE(plain.exact());
    all.margin = std::min(all.margin, plain.margin());
    all.opened += plain.opened();
    all.closed += plain.closed();
    all.held += plain.held();
    const PlainTensors tensors(head);
    for (std::int64_t i = 0; i < head.num_rows(); ++i) {
      if (head.visible(i).empty()) continue;
      const PlainRow row = plain.row(tensors, i);
      const std::int64_t h = head.query_head(i), t = head.query_begin + head.position(i);
      all.forward_error =
          std::max(all.forward_error, std::fabs(run.lse.get(head.batch, h, t, 0) - row.lse));
      for (std::size_t d = 0; d < row.out.size(); ++d)
        all.forward_error = std::max(
            all.forward_error,
            std::fabs(run.out.get(head.batch, h, t, static_cast<std::int64_t>(d)) - row.out[d]));
    }
  }
  return all;
}

double gradient_error_of(const MethodCase& setup, std::int64_t entries) {
  const Method method = parse_method(setup.spec);
  return largest_error(setup, entries, [&](const HeadProblem& head) {
    return [choices = PlainTreecode(head, method)](const PlainTensors& plain) {
      return [&](std::int64_t i) { return choices.row(plain, i); };
    };
  });
}

struct Expected {
  std::int64_t held = 0;  // leaves that only heavy sets open, at least
  std::int64_t opened = 200, closed = 200;
  double margin = 1e-5, tolerance = 3e-5;
};

// Some leaves are open and some closed, no choice is close, the forward is the plain one, and the
// gradients are its differences.
void expect_differences(const Problem& problem, const std::string& spec, std::uint64_t seed,
                        const Expected& expected = {}, std::int64_t entries = 12) {
  SCOPED_TRACE(spec);
  const Upstream upstream = random_upstream(problem, seed, DType::f32);
  const MethodCase setup{problem, spec, upstream};
  const Choices choices = choices_of(setup);
  EXPECT_GT(choices.margin, expected.margin);
  EXPECT_GE(choices.opened, expected.opened);
  EXPECT_GE(choices.closed, expected.closed);
  EXPECT_GE(choices.held, expected.held);
  EXPECT_LE(choices.forward_error, expected.tolerance);
  EXPECT_LE(gradient_error_of(setup, entries), expected.tolerance);
}

OwnedProblem leafy(std::int64_t n, std::int64_t heads, std::int64_t kv_heads, std::uint64_t seed,
                   Causal causal, DType type = DType::f32) {
  OwnedProblem owned = gaussian_problem({1, heads, kv_heads, n, n, 8, 6}, seed, type, 1.2);
  owned.problem.causal = causal;
  return owned;
}

std::string treecode(double error) {
  return fmt::format("treecode(error={},leaf=8,chunk=64,window=8,probe_every=1,always=true)",
                     error);
}

TEST(TreecodeBackward, CausalAndNot) {
  on_every_isa([] {
    expect_differences(leafy(700, 1, 1, 31, Causal::top_left).problem, treecode(0.6), 32, {}, 6);
    expect_differences(leafy(256, 1, 1, 33, Causal::none).problem, treecode(0.6), 34, {}, 6);
  });
}

TEST(TreecodeBackward, GroupedHeadsAndSinks) {
  OwnedProblem owned = leafy(256, 6, 2, 35, Causal::bottom_right);
  expect_differences(owned.problem, treecode(0.6), 36);
  owned.sink_logits = {0.5F, 2.0F, -1.0F, 0.0F, 3.0F, 1.0F};
  owned.problem.sink_logits = owned.sink_logits;
  expect_differences(owned.problem, treecode(0.6), 37);
}

TEST(TreecodeBackward, RaggedSequences) {
  OwnedProblem owned = leafy(700, 2, 1, 51, Causal::bottom_right);
  owned.query_offsets = {0, 310, 700};
  owned.key_offsets = {0, 330, 700};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  expect_differences(owned.problem, treecode(0.6), 52);
}

TEST(TreecodeBackward, LeavesThatHeavySetsHold) {
  const OwnedProblem owned = leafy(600, 2, 1, 38, Causal::top_left);
  const Expected held{.held = 50};
  expect_differences(owned.problem, "window(90)+" + treecode(0.8), 39, held);
  expect_differences(owned.problem, "topk(k=9)+sink(20)+" + treecode(0.8), 40, held);
}

double dot(const TensorBuffer& a, const TensorBuffer& b) {
  double sum = 0;
  a.for_each([&](auto n, auto h, auto i, auto c) { sum += a.get(n, h, i, c) * b.get(n, h, i, c); });
  return sum;
}

// The library's own forward, a step along a direction of all tensors and a step back, where that
// changes no choice.
TEST(TreecodeBackward, IsTheSlopeOfTheForwardItself) {
  const double step = 1e-3;
  const auto moved = [&](double by) {
    OwnedProblem owned = leafy(256, 6, 2, 35, Causal::top_left);
    Draw draw(61);
    for (TensorBuffer* tensor : {&owned.query, &owned.key, &owned.value})
      tensor->for_each([&](auto b, auto h, auto i, auto c) {
        tensor->set(b, h, i, c, tensor->get(b, h, i, c) + by * draw.normal());
      });
    return owned;
  };
  const std::string spec = treecode(0.6);
  const OwnedProblem base = moved(0), up = moved(step), down = moved(-step);
  Upstream upstream = random_upstream(base.problem, 62, DType::f32);
  upstream.with_lse = true;
  const Method method = parse_method(spec);
  for (std::size_t h = 0; h < 2; ++h) {
    const HeadProblem at_base = split_heads(base.problem)[h];
    for (const OwnedProblem* other : {&up, &down}) {
      const HeadProblem there = split_heads(other->problem)[h];
      ASSERT_TRUE(PlainTreecode(at_base, method).chooses_as(PlainTreecode(there, method)));
    }
  }
  const auto loss = [&](const OwnedProblem& owned) {
    const ForwardRun run = forward_of({owned.problem, spec, upstream});
    return dot(run.out, upstream.out) + dot(run.lse, upstream.lse);
  };
  const BackwardRun run = backward_of({base.problem, spec, upstream});
  double slope = 0, size = 0;
  Draw draw(61);
  for (const TensorBuffer* gradient : {&run.query, &run.key, &run.value})
    gradient->for_each([&](auto b, auto h, auto i, auto c) {
      const double x = gradient->get(b, h, i, c);
      slope += x * draw.normal();
      size += x * x;
    });
  EXPECT_NEAR((loss(up) - loss(down)) / (2 * step), slope, 1e-3 * std::sqrt(size));
}

// A limit of -inf: all leaves are open, and the gradients are exact's.
TEST(TreecodeBackward, RowsThatOpenEverything) {
  const OwnedProblem owned = leafy(256, 2, 1, 41, Causal::top_left);
  const std::string spec = treecode(0.0001);
  const Upstream upstream = random_upstream(owned.problem, 42, DType::f32);
  const MethodCase setup{owned.problem, spec, upstream};
  const ReferenceAttention reference(owned.problem);
  const auto want = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  const Choices choices = choices_of(setup);
  EXPECT_GT(choices.opened, 200);
  EXPECT_EQ(choices.margin, std::numeric_limits<double>::infinity());
  EXPECT_LE(gradient_error(backward_of(setup), reference, want, 1e-2), 1e-5);
}

TEST(TreecodeBackward, HalfInputs) {
  const OwnedProblem half = leafy(600, 2, 1, 43, Causal::top_left, DType::f16);
  expect_differences(half.problem, treecode(0.6), 44);
  // Near keys may meet rows on tiles of bf16: then sums, and with them choices that are close, are
  // not quite the plain ones.
  const OwnedProblem brief = leafy(600, 2, 1, 43, Causal::top_left, DType::bf16);
  expect_differences(brief.problem, treecode(0.6), 44, {.margin = 0, .tolerance = 4e-2});
}

TEST(TreecodeBackward, EachGradientAlone) {
  const OwnedProblem owned = leafy(256, 2, 1, 45, Causal::top_left);
  const Upstream upstream = random_upstream(owned.problem, 46, DType::f32);
  expect_single_gradients({owned.problem, "window(20)+" + treecode(0.6), upstream});
}

TEST(TreecodeBackward, SameBitsOnAnyNumberOfThreads) {
  const OwnedProblem owned = leafy(1500, 4, 2, 47, Causal::top_left);
  const Upstream upstream = random_upstream(owned.problem, 48, DType::f32);
  for (const std::string& spec : {treecode(0.2), "topk(k=5)+" + treecode(0.6)}) {
    SCOPED_TRACE(spec);
    const MethodCase setup{owned.problem, spec, upstream};
    const BackwardRun one = backward_of(setup, 1);
    for (const int threads : {2, 3}) {
      const BackwardRun more = backward_of(setup, threads);
      EXPECT_EQ(one.query.words(), more.query.words()) << threads;
      EXPECT_EQ(one.key.words(), more.key.words()) << threads;
      EXPECT_EQ(one.value.words(), more.value.words()) << threads;
    }
  }
}

}  // namespace
}  // namespace subquad::testing
