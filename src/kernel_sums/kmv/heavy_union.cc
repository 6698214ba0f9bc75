#include "kernel_sums/kmv/heavy_union.h"

#include <algorithm>

namespace subquad {

HeavyUnion::HeavyUnion(std::int64_t num_keys) : stamp_(num_keys) {
  std::fill(stamp_.span().begin(), stamp_.span().end(), 0);
}

void HeavyUnion::add(std::span<const std::int32_t> keys) {
  for (const std::int32_t key : keys) {
    if (holds(key)) continue;
    stamp_[key] = now_;
    keys_.push_back(key);
  }
}

void HeavyUnion::collect(const EuclideanLsh& tables, const float* queries, std::int64_t count,
                         std::span<const std::int32_t> always) {
  ++now_;
  keys_.clear();
  add(always);
  codes_.resize(static_cast<std::size_t>(count));
  for (std::int64_t t = 0; t < tables.tables(); ++t) {
    tables.hash(t, queries, count, codes_.data());
    std::sort(codes_.begin(), codes_.end());
    const auto end = std::unique(codes_.begin(), codes_.end());
    for (auto code = codes_.begin(); code != end; ++code) add(tables.bucket_of(t, *code));
  }
  std::sort(keys_.begin(), keys_.end());
}

}  // namespace subquad
