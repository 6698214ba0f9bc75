// Contiguous blocks of a head's keys, each as one key at its mean with its summed values: the pool
// that block-sparse methods choose from.
//
// Block b holds the positions [b block, (b + 1) block); its members are those that some row sees:
// padding makes a block smaller. cost: D (+ Dv) adds a key.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "rows/visible_keys.h"

namespace subquad {

// The blocks of which the row sees every position, whatever comes after it, as [begin, end). Under
// a causal mask never the block of the row's own key, which is not finished; under a mask or a
// window no block that is shorter than the others.
Range whole_blocks(const HeadProblem& head, std::int64_t row, std::int64_t block);

class KeyBlocks {
 public:
  // `head` must outlive this. Without `values`, sum() has none.
  KeyBlocks(const HeadProblem& head, std::int64_t block, bool values, int threads);

  std::int64_t size() const { return size_; }
  std::int64_t block_size() const { return block_; }
  std::int64_t block_of(std::int64_t key) const { return key / block_; }
  Range positions(std::int64_t b) const;
  IndexList members(std::int64_t b) const;
  std::int64_t count(std::int64_t b) const { return counts_[static_cast<std::size_t>(b)]; }
  // Whether it has members, all of them finite: otherwise mean and sum are zeros.
  bool is_usable(std::int64_t b) const { return usable_[static_cast<std::size_t>(b)] != 0; }
  const std::vector<float>& means() const { return means_; }  // size() x D
  const std::vector<float>& sums() const { return sums_; }    // size() x Dv

 private:
  void add_up(std::int64_t b);

  const HeadProblem& head_;
  VisibleKeys keys_;
  std::int64_t block_, size_;
  bool values_;
  std::vector<float> means_, sums_;
  std::vector<std::int64_t> counts_;  // of members
  std::vector<std::uint8_t> usable_;
};

}  // namespace subquad
