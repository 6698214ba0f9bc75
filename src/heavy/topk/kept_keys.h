// The keys that each row of a head keeps: as ascending lists, or as one bit a key.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/memory.h"

namespace subquad {

// A bit for each key: num_keys / 8 bytes a row, begun at a cache line.
class KeptBits {
 public:
  KeptBits(std::int64_t rows, std::int64_t num_keys)
      : rows_(rows),
        stride_((num_keys / 32 + 2 + 15) / 16 * 16),  // one word more than needed, as kernels ask
        words_(rows * stride_) {
    std::fill(words_.span().begin(), words_.span().end(), 0U);
  }

  std::uint32_t* row(std::int64_t r) { return words_.data() + r * stride_; }
  const std::uint32_t* row(std::int64_t r) const { return words_.data() + r * stride_; }
  bool has(std::int64_t r, std::int64_t key) const {
    return (row(r)[key / 32] >> key % 32 & 1) != 0;
  }
  // Rows lie too far apart for the hardware to see what comes next.
  void prefetch(std::int64_t r, std::int64_t key) const {
    if (r < rows_) __builtin_prefetch(row(r) + key / 32);
  }

 private:
  std::int64_t rows_, stride_;
  Scratch<std::uint32_t> words_;
};

// Up to `capacity` keys a row, 4 bytes each.
class KeptLists {
 public:
  KeptLists(std::int64_t rows, std::int64_t capacity)
      : capacity_(capacity), offsets_(rows + 1), keys_(rows * capacity) {
    std::fill(offsets_.span().begin(), offsets_.span().end(), 0);
  }

  // Where the keys of row r go, before close(); then how many there are.
  std::int32_t* room(std::int64_t r) { return keys_.data() + r * capacity_; }
  void set_count(std::int64_t r, std::int64_t count) { offsets_[r + 1] = count; }
  // Moves the lists together: from here on they are compressed rows.
  void close();

  std::span<const std::int64_t> offsets() const { return offsets_.span(); }
  std::span<const std::int32_t> keys() const { return keys_.span(); }

 private:
  std::int64_t capacity_ = 0;
  Scratch<std::int64_t> offsets_;
  Scratch<std::int32_t> keys_;
};

}  // namespace subquad
