#include "light/poly/poly_part.h"

#include <algorithm>
#include <limits>

#include "light/poly/bucket_backward.h"
#include "light/poly/bucket_entries.h"
#include "light/poly/poly_backward.h"
#include "light/poly/poly_entries.h"
#include "light/poly/poly_forward.h"
#include "rows/cancelled_rows.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// Of the weights that have left a row's sum: what must remain for an error below about 1e-3.
constexpr float kLostShare = 1e-4f;

}  // namespace

PolyPart::PolyPart(const HeadProblem& head, const EntrySets& heavy, const PolyOptions& options,
                   int threads)
    : buckets_(make_buckets(head, heavy, options, threads)) {
  if (head.problem->causal != Causal::none)
    near_ = std::make_unique<NearChunks>(head, buckets_[0].model->held);
}

std::unique_ptr<ImpliedEntries> PolyPart::implied() {
  if (buckets_.size() == 1) return std::make_unique<PolyEntries>(*buckets_[0].model);
  return std::make_unique<BucketEntries>(buckets_);
}

bool PolyPart::runs_exactly(std::int64_t row) const {
  return std::any_of(buckets_.begin(), buckets_.end(), [&](const KeyBucket& bucket) {
    return bucket.model->rows.use(row) == RowPolynomials::Use::exact;
  });
}

void PolyPart::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets&, TileScratch&,
                            const RunList&) {
  PartialBuffer buffer(rows.rows().count, head.value_dim());
  const Partial sums = buffer.view(rows.rows().count), out = rows.partial();
  const CancelledRows cancelled(out);
  for (const KeyBucket& bucket : buckets_) {
    PolyForward(*bucket.model).sum(rows, sums);
    merge_into(out, sums);
  }
  cancelled.reject(out, kLostShare);
  for (std::int64_t i = 0; i < out.rows; ++i)
    if (runs_exactly(rows.rows()[i])) out.l[i] = 0;
}

void PolyPart::row_errors(RowBlock& rows, const EntrySets&, TileScratch&, float* error) const {
  std::fill_n(error, rows.rows().count, std::numeric_limits<float>::quiet_NaN());
}

std::unique_ptr<ModelBackward> PolyPart::backward(const BackwardArguments& arguments, int) const {
  if (buckets_[0].model->printed())
    throw_invalid("printed: Algorithm 1 as printed has no derivative here; take printed=false");
  if (buckets_.size() == 1) return std::make_unique<PolyBackward>(*buckets_[0].model, arguments);
  return std::make_unique<BucketBackward>(buckets_, arguments);
}

}  // namespace subquad
