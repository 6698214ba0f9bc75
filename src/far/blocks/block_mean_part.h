// The pseudo keys of blocks as a light part: a model, with exact runs where a block is none.
#pragma once

#include <memory>

#include "far/blocks/block_mean_model.h"
#include "parts/light.h"

namespace subquad {

class BlockMeanPart final : public Sampler, public Model, public Budget {
 public:
  // `head` must outlive the part.
  BlockMeanPart(const HeadProblem& head, std::int64_t block, int threads);

  // Unweighted: the blocks that the rows see only in part, and those with an Inf or NaN.
  void add_runs(const IndexList& rows, RunList& runs) const override;

  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  // There is no estimate.
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

  bool wants_exact() const override { return model_ == nullptr; }
  ErrorSquares squares() const override { return {}; }

 private:
  const HeadProblem& head_;
  std::unique_ptr<BlockMeanModel> model_;  // nullptr: the mask suits no pseudo keys
};

}  // namespace subquad
