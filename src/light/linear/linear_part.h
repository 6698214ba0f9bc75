// The linear part of one head, forward.
#pragma once

#include <memory>
#include <vector>

#include "parts/light.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_sums.h"

namespace subquad {

class LinearPart final : public LightPart {
 public:
  // `head` must outlive the part.
  LinearPart(const HeadProblem& head, const LinearModel& model) : head_(head), model_(model) {}

  RowOrder row_order() const override;
  void begin(const EntrySets& heavy, int threads) override;
  bool divides_any_sum() const override { return alone_; }
  void take_out(const HeadProblem& head, RowBlock& rows, const HeavySet& set, std::int64_t group,
                const KeyRun& run, const EntrySets& taken, TileScratch& scratch) const override;
  void add_runs(const IndexList& /*rows*/, RunList& /*runs*/) const override {}
  void add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
              RunList& runs) const override;
  // NaN: there is no estimate.
  bool row_errors(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                  TileScratch& scratch, float* error) const override;
  std::unique_ptr<LightBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

 private:
  // Sum of |weight| of the entries taken out of a row so far. A row is with one thread at a time.
  float& taken_out(std::int64_t row) const { return taken_[static_cast<std::size_t>(row)]; }
  void reject_lost_rows(RowBlock& rows) const;

  const HeadProblem& head_;
  LinearModel model_;
  bool alone_ = false;  // without heavy sets
  std::unique_ptr<LinearSums> sums_;
  mutable std::vector<float> taken_;  // empty without heavy sets
};

}  // namespace subquad
