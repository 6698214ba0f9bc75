#include "light/poly/bucket_entries.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/backward.h"

namespace subquad {

void add_held(const MarkedEntries& entries, const float* part, const float* factors,
              float* weights) {
  for (std::int64_t r = 0; r < entries.rows.end - entries.rows.begin; ++r)
    for (std::int64_t k = 0; k < entries.keys.count; ++k) {
      const std::int64_t at = r * entries.stride + k;
      if (!kernels::is_masked(part[at])) weights[at] = factors[r] * part[at] + 0.0f;
    }
}

BucketEntries::BucketEntries(std::span<const KeyBucket> buckets) {
  for (const KeyBucket& bucket : buckets) parts_.emplace_back(*bucket.model);
}

bool BucketEntries::holds_none(const RowBlock& rows, const KeyRun& run) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const PolyEntries& part) { return part.holds_none(rows, run); });
}

// Weights of all parts are relative to the largest of their exponents.
void BucketEntries::load_rows(const RowBlock& rows, const Range& part, float* m) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  first_row_ = part.begin;
  rows_ = part.end - part.begin;
  const auto count = static_cast<std::size_t>(rows_);
  exponents_.resize(count * parts_.size());
  factors_.resize(exponents_.size());
  std::fill_n(m, rows_, kNone);
  for (std::size_t b = 0; b < parts_.size(); ++b) {
    parts_[b].load_rows(rows, part, exponents_.data() + b * count);
    for (std::size_t i = 0; i < count; ++i) m[i] = std::max(m[i], exponents_[b * count + i]);
  }
  for (std::size_t at = 0; at < exponents_.size(); ++at) {
    const float top = m[at % count];
    factors_[at] = exponents_[at] == kNone ? 0.0f : std::exp2(exponents_[at] - top);
  }
}

void BucketEntries::load_keys(const IndexList& keys) {
  for (PolyEntries& part : parts_) part.load_keys(keys);
}

void BucketEntries::weigh(const MarkedEntries& entries, std::int64_t first, float* weights) {
  const std::int64_t count = entries.rows.end - entries.rows.begin;
  weights_.resize(static_cast<std::size_t>(count * entries.stride));
  std::fill_n(weights, (count - 1) * entries.stride + entries.keys.count, -0.0f);
  for (std::size_t b = 0; b < parts_.size(); ++b) {
    parts_[b].weigh(entries, first, weights_.data());
    add_held(
        entries, weights_.data(),
        factors_.data() + static_cast<std::int64_t>(b) * rows_ + entries.rows.begin - first_row_,
        weights);
  }
}

}  // namespace subquad
