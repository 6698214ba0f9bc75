// Keys that a run meets although they do not lie in the head as they are met: seen relative to a
// center of the rows' own, or standing for many keys.
#pragma once

#include <cstdint>

#include "core/index_list.h"
#include "core/memory.h"
#include "rows/key_tile.h"

namespace subquad {

class KeySource {
 public:
  virtual ~KeySource() = default;
  // Writes the listed keys, rows of head_dim, their values, rows of value_dim, and their log2
  // weights. Thread-safe.
  virtual void load(const IndexList& keys, float* points, float* values, float* bias) const = 0;
};

// One thread's memory for a tile of them; none before the first.
class LoadedKeys {
 public:
  LoadedKeys(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
      : head_dim_(head_dim), value_dim_(value_dim), capacity_(capacity) {}
  // The tile is that of keys 0, 1, .., valid until the next call.
  void pack(const KeySource& source, const IndexList& keys, KeyTile& tile);

 private:
  std::int64_t head_dim_, value_dim_, capacity_;
  Scratch<float> points_, values_, bias_;
};

}  // namespace subquad
