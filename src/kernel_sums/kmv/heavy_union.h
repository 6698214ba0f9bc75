// The keys that hash tables bring to any query of a block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "index/euclidean_lsh.h"

namespace subquad {

// One thread's memory: 4 n bytes.
class HeavyUnion {
 public:
  explicit HeavyUnion(std::int64_t num_keys);

  // queries: `count` rows. `always` belongs to every union.
  void collect(const EuclideanLsh& tables, const float* queries, std::int64_t count,
               std::span<const std::int32_t> always);
  bool holds(std::int32_t key) const { return stamp_[key] == now_; }
  // Ascending.
  IndexList keys() const { return {keys_.data(), 0, std::ssize(keys_), true}; }

 private:
  void add(std::span<const std::int32_t> keys);

  Scratch<std::int32_t> stamp_;
  std::int32_t now_ = 0;
  std::vector<std::int32_t> keys_;
  std::vector<EuclideanLsh::Code> codes_;
};

}  // namespace subquad
