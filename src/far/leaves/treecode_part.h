// The treecode part of a head.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "far/leaves/leaf_field.h"
#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_reach.h"
#include "far/leaves/treecode.h"
#include "parts/light.h"

namespace subquad {

// Rows by position: a block of them meets the leaves of the chunks that end `window` keys before
// its first row, and what lies behind them exactly.
class Treecode final : public Sampler, public Model, public Budget {
 public:
  // `head` must outlive the part.
  Treecode(const HeadProblem& head, const TreecodeOptions& options, const Rng& rng, int threads);

  void add_runs(const IndexList& rows, RunList& runs) const override;
  // Nothing: the leaves leave heavy entries out themselves.
  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

  // Where the sizes leave no chunk: what the tensors hold must not change how early rows run.
  bool wants_exact() const override { return exact_; }
  ErrorSquares squares() const override { return squares_; }

 private:
  bool serves() const;
  // Chunks whose leaves serve the block of this row.
  std::int64_t chunks_before(std::int64_t row) const;
  std::vector<std::int32_t> draw_probes(const Rng& rng) const;
  void choose(const Rng& rng, int threads);

  const HeadProblem& head_;
  TreecodeOptions options_;
  bool causal_, exact_ = true;
  std::int64_t block_, chunks_;
  std::unique_ptr<LeafIndex> index_;
  std::unique_ptr<LeafReach> reach_;
  std::vector<LeafChoice> choices_;  // of prefixes 1, 2, ..
  ErrorSquares squares_;
};

}  // namespace subquad
