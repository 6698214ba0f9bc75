// Sums phi(k) (v, 1)^T over the keys of a head, D x (Dv + 1): all of them, or growing prefixes.
//
// source: Katharopoulos et al. 2020, equations 9 to 12; the causal prefixes by chunks, so that all
// work is matrix products. Chunks are summed in f32, their sums in double.
// cost: D (Dv + 1) multiply-adds a key; memory D (Dv + 1) floats for each block of rows (causal),
// or at most 64 times that.
#pragma once

#include <cstdint>
#include <vector>

#include "core/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "kernels/gemm.h"
#include "light/linear_features.h"
#include "light/linear_keys.h"

namespace subquad {

// Causal: one state a block of rows by position, of the keys that its first row sees. Otherwise:
// some cuts of the keys, the last state holds all.
class LinearSums {
 public:
  LinearSums(const HeadProblem& head, const LinearModel& model, int threads);

  std::int64_t count() const { return static_cast<std::int64_t>(ends_.size()); }
  // State i holds keys [0, end(i)).
  std::int64_t end(std::int64_t i) const { return ends_[static_cast<std::size_t>(i)]; }
  // The state that a group of rows begins with.
  std::int64_t state_of(std::int64_t first_row) const;
  const float* state(std::int64_t i) const { return states_.data() + i * state_size_; }
  // D rows of sum_stride(Dv) floats.
  std::int64_t state_size() const { return state_size_; }

 private:
  void cut(const HeadProblem& head);
  void sum_pieces(const HeadProblem& head, FeatureMap map, int threads);
  void add_up(std::int64_t head_dim, int threads);

  bool causal_;
  std::int64_t block_, state_size_;
  std::vector<std::int64_t> ends_;
  Scratch<float> states_;
};

// Rows of a group that are worked on together: all see keys [0, keys.begin), and each some of
// `keys`. The next span's prefix ends at keys.end.
struct LinearSpan {
  Range rows;
  Range keys;
};
std::vector<LinearSpan> cut_spans(const HeadProblem& head, const IndexList& rows);
// The largest keys.end - keys.begin.
inline constexpr std::int64_t kSpanKeys = 49;

// The sums of a prefix that grows from span to span.
class PrefixSums {
 public:
  explicit PrefixSums(const LinearSums& sums, std::int64_t sum_stride)
      : sums_(sums), stride_(sum_stride), state_(sums.state_size()) {}

  void start(std::int64_t first_row);
  // The keys of the span that has been worked on join: `keys` holds them.
  void advance(const LinearKeys& keys) { keys.add_sums(state_.data()); }
  const float* data() const { return state_.data(); }
  // B of phi(Q) S.
  kernels::RightMatrix matrix() const {
    return {state_.data(), kernels::blocking().panel, stride_};
  }

 private:
  const LinearSums& sums_;
  std::int64_t stride_;
  Scratch<float> state_;
};

}  // namespace subquad
