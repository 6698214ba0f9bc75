// The derivative of the sums over leaves: closed ones as pseudo keys, opened ones key by key.
//
// source: ours. With P a weight relative to its row's sum (of a key, or of a leaf's pseudo key) the
// derivative by its logit is G = P (dO . v + offset): G k joins dq, G q joins dk, P dO joins dv.
// cost: 3 leaves (D + Dv) multiply-adds a row and as many for each key of an opened leaf.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "far/leaves/leaf_index.h"
#include "rows/backward_rows.h"
#include "rows/backward_sums.h"
#include "rows/score_filter.h"

namespace subquad {

// What the index holds, in the layouts that only the backward pass reads: n (D + Dv) floats.
class LeafTransposes {
 public:
  LeafTransposes(const HeadProblem& head, const LeafIndex& index, int threads);

  // Values as columns, keys as rows.
  kernels::RightMatrix values(std::int64_t leaf) const {
    return {values_.data() + leaf * columns_ * value_dim_, panel_ * value_dim_, panel_};
  }
  kernels::RightMatrix keys(std::int64_t leaf) const {
    return {keys_.data() + leaf * leaf_ * key_stride_, panel_, key_stride_};
  }
  // Likewise of the leaves' means.
  kernels::RightMatrix mean_values() const {
    return {mean_values_.data(), panel_ * value_dim_, panel_};
  }
  kernels::RightMatrix mean_keys() const { return {mean_keys_.data(), panel_, key_stride_}; }

 private:
  std::int64_t leaf_, value_dim_, panel_, columns_, key_stride_;
  Scratch<float> keys_, values_, mean_keys_, mean_values_;
};

// Sums over rows of the gradients by the keys of leaves and by their means; those by keys lack a
// factor ln 2. One thread's: leaf (D + Dv) floats for each leaf that was opened.
class LeafSums {
 public:
  LeafSums(const LeafIndex& index, std::int64_t value_dim);

  std::int64_t key_stride() const { return key_stride_; }
  std::int64_t value_stride() const { return value_stride_; }
  // Of the leaf's keys, zeros at first.
  float* keys(std::int64_t leaf) { return opened(leaf); }
  float* values(std::int64_t leaf) { return opened(leaf) + leaf_ * key_stride_; }
  // Of the means of all leaves.
  float* mean_keys() { return mean_keys_.data(); }
  float* mean_values() { return mean_values_.data(); }
  // Rows have met the means of the first `leaves` leaves.
  void note_means(std::int64_t leaves) { means_ = std::max(means_, leaves); }

  // Adds the sums of keys to grad_key and grad_value, those of means to by_keys and by_values (a
  // row of D and of Dv each), where these are not empty; all are zeros then.
  void flush(const HeadProblem& head, const BackwardArguments& arguments, std::span<double> by_keys,
             std::span<double> by_values);

 private:
  float* opened(std::int64_t leaf);

  const LeafIndex& index_;
  std::int64_t leaf_, value_dim_, key_stride_, value_stride_;
  std::int64_t means_ = 0;
  std::vector<Scratch<float>> sums_;     // by leaf; empty: never opened
  std::vector<std::uint8_t> is_opened_;  // since the last flush
  Scratch<float> mean_keys_, mean_values_;
};

// Some rows of a block, dense: the weights' derivative is P (grad_out . v + offset).
struct LeafRows {
  const float* queries;    // base-2 units; rows padded_values(D) apart
  const float* grad_outs;  // rows padded_values(Dv) apart
  const float* lse_log2;
  const float* offsets;
  std::int64_t count;
};

// One thread's memory for the products.
class LeafProducts {
 public:
  // Up to `rows` rows at a time meet up to `columns` keys.
  LeafProducts(const HeadProblem& head, const WantedGradients& wanted, std::int64_t rows,
               std::int64_t columns);

  // B of the four products, and where the sums over rows go, rows a stride apart.
  struct Columns {
    kernels::RightMatrix values, keys;
    std::int64_t count;
    float* grad_keys;
    float* grad_values;
  };
  // scores (base 2, -inf: no part in it; rows a stride apart) become weights. Adds to the columns'
  // sums, and to grad_query, where wanted.
  void add(const LeafRows& rows, float* scores, std::int64_t stride, const Columns& columns,
           float* grad_query, std::int64_t grad_query_stride);

 private:
  WantedGradients wanted_;
  std::int64_t dim_, value_dim_, query_stride_, grad_stride_, panel_;
  Scratch<float> gradients_;
};

}  // namespace subquad
