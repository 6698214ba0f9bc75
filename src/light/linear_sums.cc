#include "light/linear_sums.h"

#include <algorithm>

#include "core/threads.h"
#include "exact/forward.h"

namespace subquad {
namespace {

constexpr std::int64_t kPieceKeys = 512;  // summed in f32
constexpr std::int64_t kMaxCuts = 64, kMinCutKeys = 4096;
constexpr std::int64_t kSpanPositions = kSpanKeys - 1;

// The sums of pieces of keys, in double.
class PieceSummer {
 public:
  PieceSummer(const HeadProblem& head, FeatureMap map, std::int64_t size)
      : head_(head),
        map_(map),
        features_(kPieceKeys * feature_stride(head.head_dim())),
        values_(kPieceKeys * sum_stride(head.value_dim())),
        piece_(size),
        total_(static_cast<std::size_t>(size)) {}

  void sum(const Range& keys, float* out) {
    std::fill(total_.begin(), total_.end(), 0.0);
    for (std::int64_t begin = keys.begin; begin < keys.end; begin += kPieceKeys)
      add_piece(index_range(begin, std::min(begin + kPieceKeys, keys.end)));
    std::transform(total_.begin(), total_.end(), out,
                   [](double x) { return static_cast<float>(x); });
  }

 private:
  void add_piece(const IndexList& keys) {
    load_features(select_rows(head_.keys(), keys), map_, 1.0f, features_.data());
    load_sum_values(select_rows(head_.values(), keys), values_.data());
    std::fill_n(piece_.data(), piece_.size(), 0.0f);
    add_outer_products(features_.data(), values_.data(), keys.count, head_.head_dim(),
                       head_.value_dim(), piece_.data());
    for (std::size_t n = 0; n < total_.size(); ++n)
      total_[n] += double{piece_[static_cast<std::int64_t>(n)]};
  }

  const HeadProblem& head_;
  FeatureMap map_;
  Scratch<float> features_, values_, piece_;
  std::vector<double> total_;
};

}  // namespace

LinearSums::LinearSums(const HeadProblem& head, const LinearModel& model, int threads)
    : causal_(head.problem->causal != Causal::none),
      block_(row_block_size(head.head_dim(), head.value_dim())),
      state_size_(head.head_dim() * sum_stride(head.value_dim())) {
  cut(head);
  states_ = Scratch<float>(count() * state_size_);
  sum_pieces(head, model.map, threads);
  add_up(head.head_dim(), threads);
}

void LinearSums::cut(const HeadProblem& head) {
  if (causal_) {
    for (std::int64_t row = 0; row < head.num_rows(); row += block_)
      ends_.push_back(head.visible(row).end);
    return;
  }
  const std::int64_t cuts = std::clamp<std::int64_t>(head.num_keys / kMinCutKeys, 1, kMaxCuts);
  for (std::int64_t i = 1; i <= cuts; ++i) ends_.push_back(head.num_keys * i / cuts);
}

std::int64_t LinearSums::state_of(std::int64_t first_row) const {
  return causal_ ? first_row / block_ : count() - 1;
}

void LinearSums::sum_pieces(const HeadProblem& head, FeatureMap map, int threads) {
  parallel_workers(threads, count(), [&] {
    return [&, summer = PieceSummer(head, map, state_size_)](std::int64_t i) mutable {
      summer.sum({i == 0 ? 0 : end(i - 1), end(i)}, states_.data() + i * state_size_);
    };
  });
}

void LinearSums::add_up(std::int64_t head_dim, int threads) {
  const std::int64_t width = state_size_ / head_dim;
  parallel_for(threads, head_dim, [&](std::int64_t channel) {
    std::vector<double> total(static_cast<std::size_t>(width), 0.0);
    for (std::int64_t i = 0; i < count(); ++i) {
      float* row = states_.data() + i * state_size_ + channel * width;
      for (std::size_t c = 0; c < total.size(); ++c) {
        total[c] += double{row[c]};
        row[c] = static_cast<float>(total[c]);
      }
    }
  });
}

std::vector<LinearSpan> cut_spans(const HeadProblem& head, const IndexList& rows) {
  const bool causal = head.problem->causal != Causal::none;
  const std::int64_t step = causal ? kSpanPositions * head.group : rows.count;
  std::vector<LinearSpan> spans;
  for (std::int64_t begin = 0; begin < rows.count; begin += step) {
    const std::int64_t end = std::min(begin + step, rows.count);
    const std::int64_t last = end < rows.count ? end : rows.count - 1;
    spans.push_back({{begin, end}, {head.visible(rows[begin]).end, head.visible(rows[last]).end}});
  }
  return spans;
}

void PrefixSums::start(std::int64_t first_row) {
  std::copy_n(sums_.state(sums_.state_of(first_row)), sums_.state_size(), state_.data());
}

}  // namespace subquad
