#include "light/linear/linear_sums.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/threads.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kPieceKeys = 512;  // summed in f32
constexpr std::int64_t kChunkKeys = 64;   // at a time, in the first-level cache
constexpr std::int64_t kMaxCuts = 64, kMinCutKeys = 4096;

// The sums of pieces of keys, in double.
class PieceSummer {
 public:
  PieceSummer(const HeadProblem& head, FeatureMap map)
      : head_(head),
        map_(map),
        layout_(sum_layout(head)),
        features_(kChunkKeys * feature_stride(head.head_dim())),
        values_(kChunkKeys * layout_.stride()),
        piece_(layout_.size()),
        total_(static_cast<std::size_t>(layout_.size())) {}

  void sum(const Range& keys, float* out) {
    std::fill(total_.begin(), total_.end(), 0.0);
    for (std::int64_t begin = keys.begin; begin < keys.end; begin += kPieceKeys)
      add_piece({begin, std::min(begin + kPieceKeys, keys.end)});
    std::transform(total_.begin(), total_.end(), out,
                   [](double x) { return static_cast<float>(x); });
  }

 private:
  void add_piece(const Range& keys) {
    std::fill_n(piece_.data(), piece_.size(), 0.0f);
    for (std::int64_t begin = keys.begin; begin < keys.end; begin += kChunkKeys)
      add_chunk(index_range(begin, std::min(begin + kChunkKeys, keys.end)));
    for (std::size_t n = 0; n < total_.size(); ++n)
      total_[n] += double{piece_[static_cast<std::int64_t>(n)]};
  }

  void add_chunk(const IndexList& keys) {
    const std::int64_t stride = layout_.stride();
    load_features(select_rows(head_.keys(), keys), map_, 1.0f, features_.data(), piece_.data());
    kernels::load_rows(select_rows(head_.values(), keys), 1.0f, values_.data(), stride, stride);
    layout_.add_products(features_.data(), values_.data(), keys.count, piece_.data(), true);
  }

  const HeadProblem& head_;
  FeatureMap map_;
  SumLayout layout_;
  Scratch<float> features_, values_, piece_;
  std::vector<double> total_;
};

// Waiting threads stay awake for about as long as a block takes, then sleep, then help.
constexpr int kYields = 200;
constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

LinearSums::LinearSums(const HeadProblem& head, const LinearModel& model, int threads, bool in_turn)
    : head_(head),
      map_(model.map),
      causal_(head.problem->causal != Causal::none),
      layout_(sum_layout(head)),
      block_(row_block_size(head.head_dim(), head.value_dim())) {
  cut();
  states_ = Scratch<float>(count() * layout_.size());
  if (in_turn && causal_) {
    begin_turns(threads);
  } else {
    complete(threads);
  }
}

void LinearSums::complete(int threads) {
  if (known_ == count() - 1) return;
  sum_pieces(threads);
  add_up(threads);
  known_ = count() - 1;
}

void LinearSums::cut() {
  if (causal_) {
    for (std::int64_t row = 0; row < head_.num_rows(); row += block_)
      ends_.push_back(head_.visible(row).end);
    return;
  }
  const std::int64_t cuts = std::clamp<std::int64_t>(head_.num_keys / kMinCutKeys, 1, kMaxCuts);
  for (std::int64_t i = 1; i <= cuts; ++i) ends_.push_back(head_.num_keys * i / cuts);
}

std::int64_t LinearSums::state_of(std::int64_t first_row) const {
  return causal_ ? first_row / block_ : count() - 1;
}

void LinearSums::sum_pieces(int threads) {
  parallel_workers(threads, count(), [&] {
    return [&, summer = PieceSummer(head_, map_)](std::int64_t i) mutable {
      summer.sum({i == 0 ? 0 : end(i - 1), end(i)}, states_.data() + i * layout_.size());
    };
  });
}

void LinearSums::add_up(int threads) {
  const std::int64_t size = layout_.size(), width = layout_.stride();
  parallel_for(threads, (size + width - 1) / width, [&](std::int64_t slice) {
    const std::int64_t begin = slice * width;
    std::vector<double> total(static_cast<std::size_t>(std::min(width, size - begin)), 0.0);
    for (std::int64_t i = 0; i < count(); ++i) {
      float* sums = states_.data() + i * size + begin;
      for (std::size_t c = 0; c < total.size(); ++c) {
        total[c] += double{sums[c]};
        sums[c] = static_cast<float>(total[c]);
      }
    }
  });
}

std::vector<LinearSpan> LinearSums::spans(std::int64_t i) const {
  const IndexList rows = index_range(i * block_, std::min((i + 1) * block_, head_.num_rows()));
  std::vector<LinearSpan> spans = cut_spans(head_, rows, chunk_positions(head_));
  if (i + 1 < count()) spans.back().keys.end = end(i + 1);
  return spans;
}

// The first state may hold many keys (bottom_right): summed by all threads.
void LinearSums::begin_turns(int threads) {
  const std::int64_t keys = end(0), size = layout_.size();
  const std::int64_t cuts = std::clamp<std::int64_t>(keys / kMinCutKeys, 1, kMaxCuts);
  Scratch<float> parts(cuts * size);
  parallel_workers(threads, cuts, [&] {
    return [&, summer = PieceSummer(head_, map_)](std::int64_t i) mutable {
      summer.sum({keys * i / cuts, keys * (i + 1) / cuts}, parts.data() + i * size);
    };
  });
  growing_.assign(static_cast<std::size_t>(size), 0.0);
  for (std::int64_t i = 0; i < cuts; ++i) add_to_growing(parts.data() + i * size);
  store_growing();
}

void LinearSums::add_to_growing(const float* sums) {
  for (std::size_t n = 0; n < growing_.size(); ++n) growing_[n] += double{sums[n]};
}

void LinearSums::store_growing() {
  std::transform(growing_.begin(), growing_.end(), states_.data() + (known_ + 1) * layout_.size(),
                 [](double x) { return static_cast<float>(x); });
  ++known_;
}

void LinearSums::grow(const float* total) {
  add_to_growing(total);
  store_growing();
  grown_.notify_all();
}

const float* LinearSums::pass_on(std::int64_t i, const float* total) {
  for (int n = 0; n < kYields && known_ < i; ++n) std::this_thread::yield();
  std::unique_lock lock(mutex_);
  while (known_ < i) {
    if (grown_.wait_for(lock, kPatience, [&] { return known_ >= i; })) break;
    LinearChunks missing(head_, map_, block_);
    missing.load(spans(known_));
    grow(missing.total());
  }
  if (known_ == i && i + 1 < count()) grow(total);
  return state(i);
}

void PrefixSums::start(std::int64_t first_row) {
  const SumLayout& layout = sums_.layout();
  const float* state = sums_.state(sums_.state_of(first_row));
  std::fill_n(state_.data(), state_.size(), 0.0f);
  for (std::int64_t c = 0; c < layout.head_dim; ++c) {
    std::copy_n(layout.products(state) + c * layout.stride(), layout.value_dim,
                state_.data() + c * stride_);
    state_[c * stride_ + layout.value_dim] = state[c];
  }
}

}  // namespace subquad
