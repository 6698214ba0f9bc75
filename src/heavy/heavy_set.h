// The first contract: which entries of the score matrix are evaluated exactly.
//
// A HeavyRule is what a spec names ("sortlsh(block=256)"): checked parameters, no data. find()
// applies it to one key/value head and gives HeavySets: the same entries, ready to be evaluated and
// to be left out elsewhere. A rule may give several sets (one a hashing round); sets may overlap,
// the executor passes the earlier ones as `taken` (docs/design/0001-foundation.md).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/head_problem.h"
#include "core/rng.h"
#include "exact/row_block.h"
#include "exact/score_filter.h"
#include "exact/tile_scratch.h"

namespace subquad {

class HeavySet : public EntrySet {
 public:
  // How the rows want to be grouped: a partition of all rows, each group at most
  // row_block_size(head_dim, value_dim) rows. Empty: any grouping serves.
  virtual std::span<const IndexList> row_groups() const { return {}; }

  // Merges the exact sums over the set's entries of these rows, less those in `taken`. With
  // row_groups(), `rows` holds row_groups()[group]; otherwise any rows, and `group` means nothing.
  // Thread-safe: all scratch is the caller's.
  virtual void add_to(RowBlock& rows, std::int64_t group, const EntrySets& taken,
                      TileScratch& scratch) const = 0;
};

class HeavyRule {
 public:
  virtual ~HeavyRule() = default;
  // `head` must outlive the sets. `threads` may be used; the result does not depend on it.
  virtual std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                                      int threads) const = 0;
};

// The rule of a set that follows from the head and one size alone: Set(head, size).
template <typename Set>
class SizedRule final : public HeavyRule {
 public:
  explicit SizedRule(std::int64_t size) : size_(size) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<Set>(head, size_));
    return sets;
  }

 private:
  std::int64_t size_;
};

}  // namespace subquad
