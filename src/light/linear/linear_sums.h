// Sums phi(k) (v, 1)^T over the keys of a head, D x (Dv + 1): all of them, or growing prefixes.
//
// source: Katharopoulos et al. 2020, equations 9 to 12; the causal prefixes by chunks, so that all
// work is matrix products. Chunks are summed in f32, blocks of them in double.
// cost: D (Dv + 1) multiply-adds a key; memory D (Dv + 1) floats for each block of rows (causal),
// or at most 64 times that.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "light/linear/linear_chunks.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_keys.h"

namespace subquad {

// Causal: one state a block of rows by position, of the keys that its first row sees. Otherwise:
// some cuts of the keys, the last state holds all.
class LinearSums {
 public:
  // `head` must outlive this. in_turn: causal states but the first come with pass_on(): keys are
  // then summed once, where the rows beside them need them anyway.
  LinearSums(const HeadProblem& head, const LinearModel& model, int threads, bool in_turn);

  // All states from now on, if they are not there yet.
  void complete(int threads);

  std::int64_t count() const { return static_cast<std::int64_t>(ends_.size()); }
  // State i holds keys [0, end(i)).
  std::int64_t end(std::int64_t i) const { return ends_[static_cast<std::size_t>(i)]; }
  // The state that a group of rows begins with.
  std::int64_t state_of(std::int64_t first_row) const;
  // In SumLayout.
  const float* state(std::int64_t i) const { return states_.data() + i * layout_.size(); }
  const SumLayout& layout() const { return layout_; }
  std::int64_t block_rows() const { return block_; }

  // The spans of causal block i. Their keys end where those of the next state do.
  std::vector<LinearSpan> spans(std::int64_t i) const;
  // State i; `total`, the sums of the block's keys, makes the next one. Waits for the blocks
  // before; thread-safe, and any order of calls ends: what is missing for long is computed here.
  const float* pass_on(std::int64_t i, const float* total);

 private:
  void cut();
  void sum_pieces(int threads);
  void add_up(int threads);
  void begin_turns(int threads);
  void add_to_growing(const float* sums);
  void store_growing();
  void grow(const float* total);

  const HeadProblem& head_;
  FeatureMap map_;
  bool causal_;
  SumLayout layout_;
  std::int64_t block_;
  std::vector<std::int64_t> ends_;
  Scratch<float> states_;

  std::atomic<std::int64_t> known_{-1};  // the last state that is there
  std::vector<double> growing_;          // the same
  std::mutex mutex_;
  std::condition_variable grown_;
};

// The sums of a prefix that grows from span to span, as D rows of sum_stride(Dv) floats.
class PrefixSums {
 public:
  explicit PrefixSums(const LinearSums& sums)
      : sums_(sums),
        stride_(sum_stride(sums.layout().value_dim)),
        state_(sums.layout().head_dim * stride_) {}

  void start(std::int64_t first_row);
  // The keys of the span that has been worked on join: `keys` holds them.
  void advance(const LinearKeys& keys) { keys.add_sums(state_.data()); }
  const float* data() const { return state_.data(); }

 private:
  const LinearSums& sums_;
  std::int64_t stride_;
  Scratch<float> state_;
};

}  // namespace subquad
