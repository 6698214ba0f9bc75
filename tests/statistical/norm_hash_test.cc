// The norm coordinate of sortLSH: keys are hashed as (k, sqrt(M^2 - |k|^2)), M the largest norm,
// and queries as (q, 0), so that the angle theta' has cos(theta') = <q, k> / (|q| M): it falls with
// the inner product, whatever the norm. Pr[same bucket] = (1 - theta' / pi)^r.
//
// The pairs share the hyperplanes, so that each is counted over rounds of its own alone. Checks: 24
// pairs * 3 bit counts * 4 problems binomial ones (bounds.h) at 1e-10: a false alarm below 3e-8
// over the file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "index/hash_head.h"
#include "statistical/bounds.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t pairs = 24, head_dim = 6, rounds = 8000;

// Query i and key i at planned angles, keys of norm 0.2 to 5; one more key has the largest norm.
OwnedProblem planted_pairs(double shift) {
  OwnedProblem owned =
      gaussian_problem({.queries = pairs, .keys = pairs + 1, .head_dim = head_dim}, 3);
  for (std::int64_t i = 0; i <= pairs; ++i)
    for (std::int64_t c = 0; c < head_dim; ++c) owned.key.set(0, 0, i, c, 0.0);
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double length = 0.2 + 0.2 * static_cast<double>(i);
    const double theta = 3.1 * static_cast<double>((7 * i) % pairs) / static_cast<double>(pairs);
    for (std::int64_t c = 0; c < head_dim; ++c) owned.query.set(0, 0, i, c, 0.0);
    owned.query.set(0, 0, i, i % head_dim, 1.0 + static_cast<double>(i));
    owned.key.set(0, 0, i, i % head_dim, length * std::cos(theta));
    owned.key.set(0, 0, i, (i + 1) % head_dim, length * std::sin(theta));
  }
  owned.key.set(0, 0, pairs, 2, 6.0);
  for (std::int64_t i = 0; i <= pairs; ++i)
    for (std::int64_t c = 0; c < head_dim; ++c)
      owned.key.set(0, 0, i, c, owned.key.get(0, 0, i, c) + shift);
  return owned;
}

using Vectors = std::vector<std::vector<double>>;

Vectors rows_of(const TensorBuffer& buffer) {
  Vectors rows;
  for (std::int64_t i = 0; i < buffer.shape()[2]; ++i) {
    rows.emplace_back();
    for (std::int64_t c = 0; c < head_dim; ++c) rows.back().push_back(buffer.get(0, 0, i, c));
  }
  return rows;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
  return sum;
}

void subtract_mean(Vectors& vectors) {
  std::vector<double> mean(head_dim, 0.0);
  for (const auto& vector : vectors)
    for (std::size_t c = 0; c < mean.size(); ++c)
      mean[c] += vector[c] / static_cast<double>(vectors.size());
  for (auto& vector : vectors)
    for (std::size_t c = 0; c < mean.size(); ++c) vector[c] -= mean[c];
}

// theta' of each pair; `sign` is that of the problem's scale.
std::vector<double> lifted_angles(const OwnedProblem& owned, bool center, double sign) {
  const Vectors queries = rows_of(owned.query);
  Vectors all = rows_of(owned.key);
  if (center) subtract_mean(all);
  double largest = 0;
  for (const auto& key : all) largest = std::max(largest, std::sqrt(dot(key, key)));
  std::vector<double> angles;
  for (std::size_t i = 0; i < queries.size(); ++i)
    angles.push_back(std::acos(std::clamp(
        sign * dot(queries[i], all[i]) / (std::sqrt(dot(queries[i], queries[i])) * largest), -1.0,
        1.0)));
  return angles;
}

std::vector<std::int64_t> count_same(const HeadProblem& head, std::int64_t bits, bool center) {
  std::vector<std::int64_t> same(pairs, 0);
  for (std::int64_t round = 0; round < rounds; ++round) {
    const HashBuckets buckets =
        hash_head(head, Rng(11, 0), round, {.bits = bits, .center = center, .norm = true}, 1);
    for (std::int64_t i = 0; i < pairs; ++i)
      same[static_cast<std::size_t>(i)] += buckets.rows[i] == buckets.keys[i] ? 1 : 0;
  }
  return same;
}

void check_law(const OwnedProblem& owned, bool center, double sign) {
  const HeadProblem head = split_heads(owned.problem).front();
  const std::vector<double> angles = lifted_angles(owned, center, sign);
  for (const std::int64_t bits : {1, 3, 8}) {
    const std::vector<std::int64_t> same = count_same(head, bits, center);
    for (std::size_t i = 0; i < same.size(); ++i) {
      const double stay = std::pow(1 - angles[i] / std::numbers::pi, static_cast<double>(bits));
      EXPECT_TRUE(binomial_plausible(same[i], rounds, stay))
          << "pair " << i << " bits " << bits << ": " << same[i] << " for " << stay * rounds;
    }
  }
}

TEST(NormHash, CollisionsFollowTheLiftedAngle) { check_law(planted_pairs(0.0), false, 1); }

// Centred keys have norms of their own: M is the largest of |k - mean|.
TEST(NormHash, CollisionsFollowTheLiftedAngleOfCentredKeys) {
  check_law(planted_pairs(0.0), true, 1);
  check_law(planted_pairs(2.5), true, 1);
}

TEST(NormHash, NegativeScaleTurnsTheAngle) {
  OwnedProblem owned = planted_pairs(0.0);
  owned.problem.scale = -0.4F;
  check_law(owned, false, -1);
}

// The plain angle is another law: the same counts rule it out, for a pair at a small angle with a
// short key.
TEST(NormHash, ThePlainAngleIsRuledOut) {
  const OwnedProblem owned = planted_pairs(0.0);
  const auto same = count_same(split_heads(owned.problem).front(), 3, false);
  EXPECT_FALSE(binomial_plausible(same[0], rounds, 1.0)) << same[0];  // theta = 0, norm 0.2 of 6
}

// A key that is not finite changes no bucket of the others.
TEST(NormHash, AWildKeyLeavesTheOthersAlone) {
  OwnedProblem owned = planted_pairs(0.0);
  const HashOptions options{.bits = 12, .center = false, .norm = true};
  const auto hash = [&] {
    return hash_head(split_heads(owned.problem).front(), Rng(5, 0), 0, options, 1);
  };
  const HashBuckets before = hash();
  for (const double wild : {std::nan(""), std::numeric_limits<double>::infinity(), 1e30}) {
    owned.key.set(0, 0, 4, 1, wild);
    const HashBuckets after = hash();
    std::int64_t moved = 0;
    for (std::int64_t j = 0; j <= pairs; ++j)
      moved += j != 4 && before.keys[j] != after.keys[j] ? 1 : 0;
    EXPECT_EQ(moved, 0) << wild;
  }
}

TEST(NormHash, EveryIsaFindsTheSameBuckets) {
  const OwnedProblem owned = planted_pairs(1.0);
  const HashOptions options{.bits = 16, .center = true, .norm = true};
  std::vector<std::uint32_t> first;
  std::int64_t moved = 0, count = 0;
  on_every_isa([&] {
    const HashBuckets buckets =
        hash_head(split_heads(owned.problem).front(), Rng(5, 0), 0, options, 1);
    if (first.empty()) first.assign(buckets.keys.data(), buckets.keys.data() + pairs + 1);
    for (std::int64_t j = 0; j <= pairs; ++j, ++count)
      moved += buckets.keys[j] == first[static_cast<std::size_t>(j)] ? 0 : 1;
  });
  EXPECT_LE(moved, count / 20);  // signs at rounding
}

}  // namespace
}  // namespace subquad::testing
