// What the probes say about a query head: for each prefix of chunks, how much its rows may leave
// closed, and whether they had better run exactly. The heads of a sequence share the error.
//
// Rows of a prefix use probes that stand before its last chunk ends, no others, and so do the other
// heads of the sequence: nothing looks ahead.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "far/leaves/leaf_probes.h"
#include "parts/budget.h"

namespace subquad {

constexpr std::int64_t kFewProbes = 24;  // of a query head: fewer say nothing

struct LeafTarget {
  double error = 0.03;  // relative, in the Frobenius norm, of all heads of a sequence together
  double margin = 0.8;  // of it, for the probes
  double most = 0.9;    // of exact's cost: above, rows run exactly
  bool always = false;  // never for their cost
};

// Probes in the order of their rows, and the keys that they stand at. Row r is one of query head
// r % group. Without a causal mask all probes serve all rows.
struct ProbedHead {
  std::span<const LeafProbe> probes;
  std::span<const std::int64_t> diagonals;
  std::int64_t group;
  bool causal;
};

// Sums over some probes of one query head.
struct LeafTally {
  std::int64_t count = 0, spoilt = 0;  // spoilt: not finite
  double out = 0, leaves = 0;
  double error[kLimits] = {}, square[kLimits] = {};  // of |error|^2, and of its square
  double opened[kLimits] = {};                       // leaves

  void add(const LeafProbe& probe, std::int64_t leaves_met);
};

// One query head's limits, a stage for each of the prefixes 1, 2, .. `chunks`.
class LeafChoice final : public SharedError {
 public:
  LeafChoice(const ProbedHead& head, std::int64_t member, const LeafIndex& index,
             std::int64_t chunks, const LeafTarget& target);

  std::int64_t stages() const override { return std::ssize(stages_); }
  ErrorSquares expected(std::int64_t stage) const override;
  void lower_error(std::int64_t stage, double square) override;
  void decide() override {}

  // As LeafField::add takes it, of rows of that prefix; -inf: all is opened.
  float limit(std::int64_t prefix) const;
  // Root mean square of |error of the output|_2 of these rows.
  float row_error(std::int64_t prefix) const;
  // What the choices leave at the probes themselves.
  ErrorSquares left_at_probes() const;

 private:
  struct Stage {
    LeafTally near;           // of the probes that serve the prefix
    LeafTally own;            // .. of that prefix
    std::int64_t number = 0;  // of the limit in limit_of(); kLimits: all is opened
  };

  const Stage& at(std::int64_t prefix) const {
    return stages_[static_cast<std::size_t>(prefix - 1)];
  }
  bool is_dear(const Stage& stage) const;

  double leaf_size_;
  LeafTarget target_;
  std::vector<Stage> stages_;
};

}  // namespace subquad
