// The treecode part of a head.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "far/leaves/leaf_choice.h"
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
  // `head` and the sets in `heavy` must outlive the part.
  Treecode(const HeadProblem& head, const TreecodeOptions& options, const EntrySets& heavy,
           const Rng& rng, int threads);

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
  ErrorSquares squares() const override;
  // Of each query head of the group, to be shared with those of the other heads; none where the
  // head runs exactly.
  std::vector<SharedError*> shared_errors();

  const HeadProblem& head() const { return head_; }
  const EntrySets& heavy() const { return heavy_; }
  // Where the head does not run exactly.
  const LeafIndex& index() const { return *index_; }
  const LeafReach& reach() const { return *reach_; }
  // Chunks whose leaves serve the block of this row.
  std::int64_t chunks_before(std::int64_t row) const;
  // As LeafOpening::start() takes them, of the rows with that many chunks.
  std::vector<float> limits(std::int64_t prefix) const;
  // log2 of what the row had summed before its leaves, once it has been through add_estimate().
  float log2_sum_before(std::int64_t row) const {
    return log2_sums_[static_cast<std::size_t>(row)];
  }

 private:
  bool serves() const;
  bool pays() const;
  std::vector<std::int32_t> draw_probes(const Rng& rng) const;
  void find_apart(int threads);
  bool is_apart(std::int64_t row) const { return apart_[static_cast<std::size_t>(row)] != 0; }
  void probe(const Rng& rng, int threads);

  const HeadProblem& head_;
  EntrySets heavy_;
  TreecodeOptions options_;
  bool causal_, exact_ = true;
  std::int64_t block_, chunks_;
  std::unique_ptr<LeafIndex> index_;
  std::unique_ptr<LeafReach> reach_;
  std::vector<LeafChoice> choices_;  // of each query head of the group
  std::vector<std::uint8_t> apart_;  // by row
  std::vector<float> log2_sums_;     // by row: what decides which leaves it opens
};

}  // namespace subquad
