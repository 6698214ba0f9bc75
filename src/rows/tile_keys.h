// The keys of a head that are packed as tiles of bf16: which, and which of them are wild.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"

namespace subquad {

// Scores on tiles are base-2 logits of at most 2^20: keys have no larger element than the first of
// these, and the magnitudes of a query, scaled, no larger sum than the second. What lies beyond,
// Inf and NaN go the other way, in f32.
constexpr float kLargestTileKey = 0x1p10f, kLargestTileQuery = 0x1p10f, kLargestTileScore = 0x1p20f;
constexpr std::uint16_t kLargestFiniteBf16 = 0x7F7F;

// Half a step of rows; nullptr: to be packed as zeros.
struct HalfStepRows {
  const std::uint16_t *keys[kernels::kTileDepth] = {}, *values[kernels::kTileDepth] = {};
};

// Up to 32 keys of a head. wild[i]: key i is beyond the limit, or has a value with an element above
// `largest_value` (bits of a bf16); to be packed as zeros.
HalfStepRows load_half_step(const HeadProblem& head, const IndexList& keys,
                            std::uint16_t largest_value, std::uint8_t* wild);

class TileKeys {
 public:
  // All keys that any row may see.
  TileKeys(const HeadProblem& head, std::uint16_t largest_value);

  // Whole steps from the sequence's first key; past its last there are zeros.
  const Range& range() const { return range_; }
  std::int64_t count() const { return range_.end - range_.begin; }
  std::int64_t place(std::int64_t key) const { return key - range_.begin; }

  // Part i of so many, in any order on any thread: pack(key, rows) for each half step from `key`
  // on.
  std::int64_t parts() const;
  template <typename Pack>
  void pack(std::int64_t part, const Pack& pack_half) {
    each_half(part, [&](const IndexList& keys, std::uint8_t* wild) {
      pack_half(keys.first, load_half_step(head_, keys, largest_value_, wild));
    });
  }
  // Likewise body(keys, wild), which loads the keys itself and says which are wild: up to 32, from
  // the half step's first on; none past the last key.
  template <typename Body>
  void each_half(std::int64_t part, const Body& body) {
    const Range keys = part_range(part);
    for (std::int64_t key = keys.begin; key < keys.end; key += kernels::kTileDepth)
      body(half_step(key), &is_wild_[static_cast<std::size_t>(place(key))]);
  }
  // After all parts.
  void finish();
  // Keys that are beyond the limit or have a wild value: zeros here, and not for rows that see
  // them. Ascending.
  const std::vector<std::int32_t>& wild() const { return wild_; }

 private:
  Range part_range(std::int64_t part) const;
  IndexList half_step(std::int64_t key) const;

  HeadProblem head_;
  Range range_;
  std::uint16_t largest_value_;
  std::vector<std::uint8_t> is_wild_;
  std::vector<std::int32_t> wild_;
};

}  // namespace subquad
