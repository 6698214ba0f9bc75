// The near field of a causal polynomial model: the keys that have come up since the row's chunk
// began, evaluated exactly.
#pragma once

#include "light/poly/held_entries.h"
#include "parts/heavy.h"

namespace subquad {

class NearChunks final : public HeavySet {
 public:
  // What is given must outlive this.
  NearChunks(const HeadProblem& head, const HeldEntries& held) : head_(head), held_(held) {}

  RowOrder row_order() const override { return RowOrder::positions; }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  const HeadProblem& head_;
  const HeldEntries& held_;
};

}  // namespace subquad
