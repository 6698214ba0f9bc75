// The linear part of one head, forward.
#pragma once

#include <memory>
#include <vector>

#include "parts/light.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_sums.h"

namespace subquad {

class LinearPart final : public Model {
 public:
  // `head` must outlive the part. alone: without heavy sets.
  LinearPart(const HeadProblem& head, const LinearModel& model, bool alone, int threads);

  bool divides_any_sum() const override { return alone_; }
  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  // There is no estimate.
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

 private:
  // Sum of |weight| of the entries subtracted from a row so far. A row is with one thread at a
  // time.
  float& subtracted(std::int64_t row) { return subtracted_[static_cast<std::size_t>(row)]; }
  void reject_lost_rows(RowBlock& rows);

  const HeadProblem& head_;
  LinearModel model_;
  bool alone_;
  std::unique_ptr<LinearSums> sums_;
  std::vector<float> subtracted_;  // empty without heavy sets
};

}  // namespace subquad
