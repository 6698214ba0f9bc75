#include "light/linear/linear_part.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "light/linear/linear_backward.h"
#include "light/linear/linear_entries.h"
#include "light/linear/linear_forward.h"

namespace subquad {
namespace {

// Of the weights subtracted from a row's sum: what must be left for an error below about 1e-3.
constexpr float kLostShare = 1e-4f;

}  // namespace

LinearPart::LinearPart(const HeadProblem& head, const LinearModel& model, bool alone, int threads)
    : head_(head), model_(model), alone_(alone) {
  if (!alone_) subtracted_.resize(static_cast<std::size_t>(head_.num_rows()));
  // Behind heavy sets blocks take their time, and would wait for each other.
  sums_ = std::make_unique<LinearSums>(head_, model_, threads, alone_);
}

std::unique_ptr<ImpliedEntries> LinearPart::implied() {
  return std::make_unique<LinearEntries>(head_, model_, subtracted_);
}

// Rows whose sum is lost in the rounding of what was subtracted from it are rejected: sum 0.
void LinearPart::reject_lost_rows(RowBlock& rows) {
  const Partial sums = rows.partial();
  for (std::int64_t i = 0; i < sums.rows; ++i) {
    const float lost = kLostShare * subtracted(rows.rows()[i]) * std::exp2(-sums.m[i]);
    if (sums.l[i] < lost) sums.l[i] = 0;
    subtracted(rows.rows()[i]) = 0;
  }
}

void LinearPart::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets&,
                              TileScratch& scratch, const RunList&) {
  const IndexList& listed = rows.rows();
  LinearForward forward(head, model_, *sums_);
  if (alone_) return scratch.panel.count_entries(forward.sum(listed, rows.partial()));
  PartialBuffer buffer(listed.count, head.value_dim());
  const Partial sums = buffer.view(listed.count);
  scratch.panel.count_entries(forward.sum(listed, sums));
  merge_into(rows.partial(), sums);
  reject_lost_rows(rows);
}

void LinearPart::row_errors(RowBlock& rows, const EntrySets&, TileScratch&, float* error) const {
  std::fill_n(error, rows.rows().count, std::numeric_limits<float>::quiet_NaN());
}

std::unique_ptr<ModelBackward> LinearPart::backward(const BackwardArguments& arguments,
                                                    int threads) const {
  sums_->complete(threads);
  return std::make_unique<LinearBackward>(head_, model_, *sums_, alone_, arguments);
}

}  // namespace subquad
