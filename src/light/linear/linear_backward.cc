#include "light/linear/linear_backward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/threads.h"
#include "rows/tile_sizes.h"
#include "kernels/backward.h"
#include "kernels/feature_map.h"
#include "kernels/gemm.h"
#include "light/linear/linear_entry_gradients.h"
#include "light/linear/linear_key_gradients.h"
#include "parts/implied_gradients.h"

namespace subquad {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();  // lse of rows without keys
constexpr std::int64_t kSpanKeys = 49;  // the most beside a span of rows
constexpr std::int64_t kPieceKeys = 256;
constexpr std::int64_t kPendingGroups = 64;  // more than a batch of the executor has

}  // namespace

// One thread's groups of rows.
class LinearBackward::GroupWorker final : public ModelBackward::Worker {
 public:
  explicit GroupWorker(LinearBackward& owner)
      : owner_(owner),
        head_(owner.head_),
        wanted_(wanted_gradients(owner.arguments_)),
        dim_(head_.head_dim()),
        width_(head_.value_dim() + 1),
        feature_stride_(feature_stride(dim_)),
        sum_stride_(sum_stride(width_ - 1)),
        prefix_(owner.sums_),
        entries_(head_, owner.model_, wanted_,
                 std::max(max_backward_keys(dim_, width_ - 1), kSpanKeys)),
        near_(head_, wanted_, entries_, kSpanKeys),
        behind_(head_, owner.model_, wanted_, kSpanKeys),
        local_(dim_, width_ - 1, capacity() + 1, kPendingGroups),
        features_(capacity() * feature_stride_),
        grad_features_(capacity() * feature_stride_),
        row_grads_(capacity() * sum_stride_),
        packed_state_(width_ * padded_values(dim_)) {}

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    rows_ = &rows;
    load_query_features(head_, rows.rows(), owner_.model_, features_.data());
    std::fill_n(grad_features_.data(), count() * feature_stride_, 0.0f);
    entries_.load_rows(slice({0, count()}));
    for (std::int64_t i = 0; !owner_.alone_ && i < count(); ++i) {
      const bool out = skipped[static_cast<std::size_t>(i)] != 0 || *rows.lse_log2(i) == kHidden;
      set_row_grads(i, out ? 0.0f : std::exp2(-*rows.lse_log2(i)));
    }
  }

  EntryGradients& entries() override { return entries_; }

  void add_estimate() override {
    const std::vector<LinearSpan> spans = cut_spans(head_, rows_->rows(), kSpanKeys - 1);
    prefix_.start(rows_->rows()[0]);
    for (const LinearSpan& span : spans) add_span(span);
    if (wanted_.keys()) add_rows_sums(spans);
  }

  void end_group() override {
    if (!wanted_.query) return;
    kernels::multiply_slopes(owner_.model_.map, owner_.model_.factor, features_.data(),
                             grad_features_.data(), count() * feature_stride_);
    const MutableTensorView& out = owner_.arguments_.grad_query;
    for (std::int64_t i = 0; i < count(); ++i)
      kernels::add_rows(grad_features_.data() + i * feature_stride_, 0, 1, dim_, 1.0f,
                        static_cast<float*>(head_.row_in(out, rows_->rows()[i])), 0);
  }

  void flush() override {
    local_.flush(head_, owner_.arguments_);
    for (const auto& [first_row, sum] : waiting_) owner_.join_rows_sum(first_row, sum.data());
    waiting_.clear();
  }

 private:
  std::int64_t capacity() const { return row_block_size(dim_, width_ - 1); }
  std::int64_t count() const { return rows_->rows().count; }

  LinearRowGrads slice(const Range& part) {
    return {rows_->rows().slice(part.begin, part.end - part.begin),
            features_.data() + part.begin * feature_stride_,
            row_grads_.data() + part.begin * sum_stride_,
            grad_features_.data() + part.begin * feature_stride_};
  }

  // (dO, offset) / l. inverse = 0: the row has no gradient.
  void set_row_grads(std::int64_t i, float inverse) {
    float* row = row_grads_.data() + i * sum_stride_;
    std::fill_n(row, sum_stride_, 0.0f);
    if (inverse == 0.0f) return;
    for (std::int64_t c = 0; c < width_ - 1; ++c) row[c] = inverse * rows_->grad_out(i)[c];
    if (wanted_.scores()) row[width_ - 1] = inverse * *rows_->offset(i);
  }

  void add_span(const LinearSpan& span) {
    const bool local = !span.keys.empty();
    if (local) near_.load(index_range(span.keys.begin, span.keys.end));
    for (std::int64_t begin = span.rows.begin; begin < span.rows.end; begin += kBackwardRows) {
      const Range part{begin, std::min(begin + kBackwardRows, span.rows.end)};
      if (local) near_.weigh(rows_->rows(), part, {}, 1);
      if (owner_.alone_) divide(part, local);
      if (wanted_.query) multiply_state(slice(part));
      if (local) near_.spread(local_.open(entries_.keys().keys()));
    }
    if (!local) return;
    near_.finish(local_.open(entries_.keys().keys()));
    prefix_.advance(entries_.keys());
  }

  // The rows' sums of weights, from those of the prefix and the entries just weighed.
  void divide(const Range& part, bool local) {
    const float* weights = prefix_.data() + width_ - 1;
    for (std::int64_t i = part.begin; i < part.end; ++i) {
      const float* features = features_.data() + i * feature_stride_;
      double sum = local ? near_sum(i - part.begin) : 0.0;
      for (std::int64_t c = 0; c < dim_; ++c)
        sum += double{features[c]} * double{weights[c * sum_stride_]};
      sum += std::exp2(double{head_.sink_log2(rows_->rows()[i])});
      set_row_grads(i, sum == 0 ? 0.0f : static_cast<float>(1 / sum));
    }
  }

  // Of the weights of the span's keys.
  double near_sum(std::int64_t row) const {
    const float* weights = near_.weights(row);
    return std::accumulate(weights, weights + entries_.keys().keys().count, 0.0);
  }

  // dphi(q) of the keys before the span.
  void multiply_state(const LinearRowGrads& rows) {
    const std::int64_t panel_stride = kernels::pack_transposed(
        dense_rows(prefix_.data(), width_, sum_stride_, dim_), packed_state_.data());
    kernels::gemm({rows.row_grads, sum_stride_, 1},
                  {packed_state_.data(), panel_stride, kernels::blocking().panel}, rows.rows.count,
                  dim_, width_, rows.grad_features, feature_stride_, true);
  }

  // R of the spans from the last on: keys of a span get it from the spans behind, the rest waits
  // for finish().
  void add_rows_sums(const std::vector<LinearSpan>& spans) {
    float* rows_sum = open_rows_sum();
    for (std::size_t s = spans.size(); s-- > 0;) {
      const IndexList keys = index_range(spans[s].keys.begin, spans[s].keys.end);
      if (s + 1 < spans.size() && keys.count > 0) behind_.add(keys, rows_sum, local_.open(keys));
      const LinearRowGrads rows = slice(spans[s].rows);
      add_outer_products(rows.features, rows.row_grads, rows.rows.count, dim_, width_ - 1,
                         rows_sum);
    }
  }

  // Groups of a batch share one where all rows see all keys.
  float* open_rows_sum() {
    if (owner_.causal() || waiting_.empty()) {
      waiting_.emplace_back(rows_->rows()[0], Scratch<float>(dim_ * sum_stride_));
      std::fill_n(waiting_.back().second.data(), dim_ * sum_stride_, 0.0f);
    }
    return waiting_.back().second.data();
  }

  LinearBackward& owner_;
  const HeadProblem& head_;
  WantedGradients wanted_;
  std::int64_t dim_, width_, feature_stride_, sum_stride_;
  PrefixSums prefix_;
  LinearEntryGradients entries_;
  ImpliedGradients near_;  // the entries beside the diagonal
  LinearKeyGradients behind_;
  KeySumsBuffer local_;
  Scratch<float> features_, grad_features_, row_grads_, packed_state_;
  BackwardRows* rows_ = nullptr;
  std::vector<std::pair<std::int64_t, Scratch<float>>> waiting_;  // first row, R of its group
};

LinearBackward::LinearBackward(const HeadProblem& head, const LinearModel& model,
                               const LinearSums& sums, bool alone,
                               const BackwardArguments& arguments)
    : head_(head),
      model_(model),
      sums_(sums),
      alone_(alone),
      arguments_(arguments),
      slot_size_(head.head_dim() * sum_stride(head.value_dim())),
      slots_(sums.count() * slot_size_) {
  std::fill_n(slots_.data(), slots_.size(), 0.0f);
}

std::unique_ptr<ModelBackward::Worker> LinearBackward::make_worker() {
  return std::make_unique<GroupWorker>(*this);
}

void LinearBackward::join_rows_sum(std::int64_t first_row, const float* rows_sum) {
  float* to = slot(causal() ? sums_.state_of(first_row) : joined_++ % sums_.count());
  for (std::int64_t n = 0; n < slot_size_; ++n) to[n] += rows_sum[n];
}

// Slot i becomes the sum of slots [i, ..).
void LinearBackward::add_up_slots(int threads) {
  const std::int64_t width = sum_stride(head_.value_dim());
  parallel_for(threads, head_.head_dim(), [&](std::int64_t channel) {
    std::vector<double> total(static_cast<std::size_t>(width), 0.0);
    for (std::int64_t i = sums_.count() - 1; i >= 0; --i) {
      float* row = slot(i) + channel * width;
      for (std::size_t c = 0; c < total.size(); ++c) {
        total[c] += double{row[c]};
        row[c] = static_cast<float>(total[c]);
      }
    }
  });
}

std::vector<LinearBackward::Piece> LinearBackward::pieces() const {
  std::vector<Piece> pieces;
  for (std::int64_t i = 0; i < sums_.count(); ++i)
    for (std::int64_t begin = i == 0 ? 0 : sums_.end(i - 1); begin < sums_.end(i);
         begin += kPieceKeys)
      pieces.push_back({{begin, std::min(begin + kPieceKeys, sums_.end(i))}, causal() ? i : 0});
  return pieces;
}

void LinearBackward::finish(int threads) {
  const WantedGradients wanted = wanted_gradients(arguments_);
  if (!wanted.keys()) return;
  add_up_slots(threads);
  const std::vector<Piece> all = pieces();
  parallel_workers(threads, static_cast<std::int64_t>(all.size()), [&] {
    return [&, gradients = LinearKeyGradients(head_, model_, wanted, kPieceKeys),
            sums = KeySumsBuffer(head_.head_dim(), head_.value_dim(), kPieceKeys)](
               std::int64_t i) mutable {
      const Piece& piece = all[static_cast<std::size_t>(i)];
      const IndexList keys = index_range(piece.keys.begin, piece.keys.end);
      gradients.add(keys, slot(piece.slot), sums.open(keys));
      sums.flush(head_, arguments_);
    };
  });
}

}  // namespace subquad
