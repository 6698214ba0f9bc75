// The first contract: which entries of the score matrix are evaluated exactly.
//
// A HeavyRule is what a spec names ("sortlsh(block=256)"): checked parameters, no data. find()
// applies it to one key/value head and gives HeavySets: for a group of rows, the runs of keys they
// meet. The executors evaluate the runs, forward and backward, and leave the set's entries out
// elsewhere. A rule may give several sets (one a hashing round); sets may overlap: the executors
// leave out what earlier sets hold (docs/design/0001-foundation.md).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "parts/strict.h"
#include "parts/work.h"
#include "rows/head_problem.h"
#include "core/rng.h"
#include "rows/key_run.h"
#include "rows/score_filter.h"

namespace subquad {

// Which groups of rows a part can give runs for. any: whatever rows. positions: contiguous rows.
// own: only the groups that it names itself.
enum class RowOrder : std::uint8_t { any, positions, own };

// Of a search that may miss entries, on a sample of rows: those it should have found, and did.
struct SearchRecall {
  std::int64_t found = 0, wanted = 0;  // wanted = 0: no such search

  void add(const SearchRecall& other) {
    found += other.found;
    wanted += other.wanted;
  }
};

class HeavySet : public EntrySet {
 public:
  virtual RowOrder row_order() const { return RowOrder::any; }
  // With RowOrder::own: disjoint groups of rows, each at most row_block_size(head_dim, value_dim)
  // rows. Rows in no group have no entries in the set.
  virtual std::span<const IndexList> row_groups() const { return {}; }
  // Whether the groups hold every row: such a set can lead the final pass.
  virtual bool groups_all_rows() const { return true; }

  // Appends the runs of these rows. With RowOrder::own, `rows` is row_groups()[group]; otherwise
  // `group` means nothing. A row meets a key at most once. Thread-safe.
  virtual void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const = 0;

  // Measured when asked. `threads` may be used; the result does not depend on it.
  virtual SearchRecall recall(int) const { return {}; }
};

class HeavyRule {
 public:
  virtual ~HeavyRule() = default;
  // `head` must outlive the sets. `threads` may be used; the result does not depend on it.
  virtual std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                                      int threads) const = 0;
  virtual Strict strictness() const { return Strict::always; }
  // Of finding and evaluating it; none where no options make it dearer than exact attention.
  virtual Work work(const HeadProblem&) const { return {}; }
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
