// What several buckets of keys hold for single entries: each entry is in one of them.
#pragma once

#include <span>
#include <vector>

#include "light/poly/key_buckets.h"
#include "light/poly/poly_entries.h"

namespace subquad {

// weights += factor * those of `part` that it holds; both in the layout of the entries.
void add_held(const MarkedEntries& entries, const float* part, const float* factors,
              float* weights);

class BucketEntries final : public ImpliedEntries {
 public:
  explicit BucketEntries(std::span<const KeyBucket> buckets);

  std::int64_t most_rows() const override { return parts_[0].most_rows(); }
  bool holds_none(const RowBlock& rows, const KeyRun& run) const override;
  void load_rows(const RowBlock& rows, const Range& part, float* m) override;
  void load_keys(const IndexList& keys) override;
  void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) override;

 private:
  std::vector<PolyEntries> parts_;
  std::int64_t first_row_ = 0, rows_ = 0;
  std::vector<float> exponents_, factors_, weights_;  // factors by part and row
};

}  // namespace subquad
