// The polynomial light part of one head, forward.
#pragma once

#include <memory>
#include <vector>

#include "light/poly/near_chunks.h"
#include "light/poly/key_buckets.h"
#include "light/poly/poly_model.h"
#include "parts/light.h"

namespace subquad {

class PolyPart final : public Model {
 public:
  // `head` and the sets must outlive the part.
  PolyPart(const HeadProblem& head, const EntrySets& heavy, const PolyOptions& options,
           int threads);

  const HeavySet* near_field() const override { return near_.get(); }
  void subtract_near_field(RowBlock&, std::int64_t) override {}  // the model does not hold it
  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  // NaN: the error of a row's weights is known, that of its output is not.
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

 private:
  bool runs_exactly(std::int64_t row) const;

  std::vector<KeyBucket> buckets_;
  std::unique_ptr<NearChunks> near_;  // causal: of the one bucket
};

}  // namespace subquad
