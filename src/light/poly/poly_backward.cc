#include "light/poly/poly_backward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "core/threads.h"
#include "kernels/backward.h"
#include "kernels/pack.h"
#include "light/poly/feature_grads.h"
#include "light/poly/poly_entry_gradients.h"
#include "rows/head_rows.h"
#include "rows/partial.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();  // lse of rows without keys
constexpr float kLog2e = std::numbers::log2e_v<float>;              // scores are base 2
std::size_t at(std::int64_t n) { return static_cast<std::size_t>(n); }

constexpr std::int64_t kPieceKeys = 256, kMostPieces = 16, kMinPieceRows = 4096;

}  // namespace

// One thread's groups of rows.
class PolyBackward::GroupWorker final : public ModelBackward::Worker {
 public:
  explicit GroupWorker(PolyBackward& owner)
      : owner_(owner),
        model_(owner.model_),
        dim_(model_.head.head_dim()),
        dv_(model_.head.value_dim()),
        step_(model_.options.degree + 1),
        grad_channel_stride_(padded_values(dim_)),
        grad_stride_(owner.grad_stride_),
        entries_(model_, owner.wanted_, max_backward_keys(dim_, dv_)),
        features_(model_.layout, dv_, capacity()),
        channels_(capacity() * dim_ + kernels::kMonomialSlack),
        factors_(capacity() * step_),
        row_grads_(capacity() * grad_stride_),
        grad_channels_(capacity() * grad_channel_stride_) {}

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    rows_ = &rows;
    std::fill_n(grad_channels_.data(), count() * grad_channel_stride_, 0.0f);
    any_ = false;
    for (std::int64_t i = 0; i < count(); ++i) load_row(i, skipped[static_cast<std::size_t>(i)]);
    entries_.load_rows(
        {rows.rows(), channels_.data(), factors_.data(), row_grads_.data(), grad_channels_.data()});
  }

  EntryGradients& entries() override { return entries_; }

  // The rows of a group are of one chunk.
  void add_estimate() override {
    for (std::int64_t i = 0; i < count(); ++i)
      std::copy_n(row_grads_.data() + i * grad_stride_, grad_stride_,
                  owner_.row_grads(rows_->rows()[i]));
    if (!owner_.wanted_.query || !any_) return;
    const std::int64_t chunk = model_.held.chunk_of(rows_->rows()[0]);
    features_.begin({channels_.data(), factors_.data(), row_grads_.data(), grad_stride_, count()});
    for (const MonomialPanel& panel : model_.layout.panels())
      features_.add(panel, model_.sums.products(chunk) + panel.begin * model_.sums.stride(),
                    model_.sums.stride(), model_.sums.counts(chunk) + panel.begin);
    features_.finish(grad_channels_.data(), grad_channel_stride_);
  }

  void end_group() override {
    for (std::int64_t i = 0; owner_.wanted_.query && i < count(); ++i)
      if (used_[static_cast<std::size_t>(i)] != 0)
        kernels::add_rows(grad_channels_.data() + i * grad_channel_stride_, 0, 1, dim_, kLog2e,
                          rows_->grad_query(i), 0);
  }

  void subtract_near_field(std::int64_t) override {}  // the model does not hold it
  void flush() override {}

 private:
  std::int64_t capacity() const { return row_block_size(dim_, dv_); }
  std::int64_t count() const { return rows_->rows().count; }

  // (dO, offset) / l, zero for rows that use no polynomial.
  void load_row(std::int64_t i, std::uint8_t skipped) {
    float m = 0;
    model_.load_row(rows_->rows()[i], rows_->query(i), channels_.data() + i * dim_,
                    factors_.data() + i * step_, m);
    float* row = row_grads_.data() + i * grad_stride_;
    std::fill_n(row, grad_stride_, 0.0f);
    const float lse = *rows_->lse_log2(i);
    const bool used = skipped == 0 && m != kHidden && lse != kHidden;
    used_.resize(static_cast<std::size_t>(count()));
    used_[static_cast<std::size_t>(i)] = used ? 1 : 0;
    if (!used) return;
    any_ = true;
    const float inverse = std::exp2(-lse), factor = std::exp2(m);  // m is at most 47
    for (std::int64_t n = 0; n < step_; ++n) factors_[i * step_ + n] *= factor;
    for (std::int64_t c = 0; c < dv_; ++c) row[c] = inverse * rows_->grad_out(i)[c];
    if (owner_.wanted_.scores()) row[dv_] = inverse * *rows_->offset(i);
  }

  PolyBackward& owner_;
  const PolyModel& model_;
  std::int64_t dim_, dv_, step_, grad_channel_stride_, grad_stride_;
  PolyEntryGradients entries_;
  FeatureGrads features_;
  Scratch<float> channels_, factors_, row_grads_, grad_channels_;
  std::vector<std::uint8_t> used_;
  bool any_ = false;
  BackwardRows* rows_ = nullptr;
};

// One thread's keys, once R is there.
class PolyBackward::KeyWorker {
 public:
  explicit KeyWorker(PolyBackward& owner)
      : owner_(owner),
        head_(owner.model_.head),
        dim_(head_.head_dim()),
        dv_(head_.value_dim()),
        stride_(padded_values(dim_)),
        value_stride_(owner.grad_stride_),
        features_(owner.model_.layout, dv_ + 1, kPieceKeys),
        channels_(kPieceKeys * dim_ + kernels::kMonomialSlack),
        values_(kPieceKeys * value_stride_),
        grad_channels_(kPieceKeys * stride_),
        sums_(dim_, dv_, kPieceKeys) {}

  void run(const KeyPiece& piece) {
    const IndexList& keys = piece.keys;
    const FeatureSums& table = owner_.rows_sums_;
    const KeySums& sums = sums_.open(keys);
    load(keys);
    features_.begin({channels_.data(), nullptr, values_.data(), value_stride_, keys.count});
    for (const MonomialPanel& panel : owner_.model_.layout.panels()) {
      const float* rows = table.products(piece.slot) + panel.begin * table.stride();
      if (owner_.wanted_.value)
        kernels::gemm({features_.expand(panel), features_.stride(), 1},
                      {rows, kernels::blocking().panel, table.stride()}, keys.count, dv_,
                      panel.count, sums.grad_value(0), sums.value_stride, true);
      if (owner_.wanted_.key) features_.add(panel, rows, table.stride(), nullptr);
    }
    if (owner_.wanted_.key) {
      std::fill_n(grad_channels_.data(), keys.count * stride_, 0.0f);
      features_.finish(grad_channels_.data(), stride_);
      // KeySums lack a factor ln 2.
      kernels::add_rows(grad_channels_.data(), stride_, keys.count, dim_, kLog2e, sums.grad_key(0),
                        sums.key_stride);
    }
    sums_.flush(head_, owner_.arguments_);
  }

 private:
  void load(const IndexList& keys) {
    owner_.model_.sums.load_keys(keys, channels_.data());
    kernels::load_rows(select_rows(head_.values(), keys), 1.0f, values_.data(), value_stride_,
                       value_stride_);
    for (std::int64_t k = 0; k < keys.count; ++k) values_[k * value_stride_ + dv_] = 1.0f;
  }

  PolyBackward& owner_;
  const HeadProblem& head_;
  std::int64_t dim_, dv_, stride_, value_stride_;
  FeatureGrads features_;
  Scratch<float> channels_, values_, grad_channels_;
  KeySumsBuffer sums_;
};

PolyBackward::PolyBackward(const PolyModel& model, const BackwardArguments& arguments)
    : model_(model),
      arguments_(arguments),
      wanted_(wanted_gradients(arguments)),
      grad_stride_(padded_values(model.head.value_dim() + 1)),
      row_grads_(model.head.num_rows() * grad_stride_),
      rows_sums_(model.layout, model.head.value_dim() + 1, false) {
  std::fill_n(row_grads_.data(), row_grads_.size(), 0.0f);
}

std::unique_ptr<ModelBackward::Worker> PolyBackward::make_worker() {
  return std::make_unique<GroupWorker>(*this);
}

SumTerms PolyBackward::row_terms() {
  const std::int64_t dim = model_.head.head_dim(), step = model_.options.degree + 1;
  const auto polynomial = [this](std::int64_t row) {
    return model_.rows.use(row) == RowPolynomials::Use::polynomial;
  };
  const auto channels = [this, dim, polynomial](const IndexList& rows, float* out) {
    load_head_rows(model_.head, model_.head.problem->query, rows, model_.head.scale_log2, out, dim);
    for (std::int64_t i = 0; i < rows.count; ++i)
      if (!polynomial(rows[i])) std::fill_n(out + i * dim, dim, 0.0f);
  };
  const auto values = [this](const IndexList& rows, float* out) {
    std::copy_n(row_grads(rows[0]), rows.count * grad_stride_, out);
  };
  const auto factors = [this, step, polynomial](const IndexList& rows, float* out) {
    for (std::int64_t i = 0; i < rows.count; ++i)
      for (std::int64_t n = 0; n < step; ++n)
        out[i * step + n] = polynomial(rows[i]) ? std::exp2(model_.rows.exponent(rows[i])) *
                                                      model_.rows.coefficients(rows[i])[at(n)]
                                                : 0.0f;
  };
  return {channels, values, factors};
}

// R: causal keys have the rows of their chunk and of those behind it.
void PolyBackward::sum_rows(int threads) {
  const std::int64_t rows = model_.head.num_rows();
  const bool causal = model_.head.problem->causal != Causal::none;
  std::int64_t count = std::clamp<std::int64_t>(rows / kMinPieceRows, 1, kMostPieces);
  if (causal) count = model_.held.chunks();
  std::vector<IndexList> pieces;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t step = model_.held.chunk_rows();
    const std::int64_t begin = causal ? i * step : rows * i / count;
    const std::int64_t end = causal ? std::min(begin + step, rows) : rows * (i + 1) / count;
    pieces.push_back(index_range(begin, end));
  }
  rows_sums_.sum(pieces, row_terms(), threads);
  rows_sums_.add_up(causal, threads);
  last_piece_ = causal ? 0 : count - 1;
}

std::vector<PolyBackward::KeyPiece> PolyBackward::key_pieces() const {
  std::vector<KeyPiece> pieces;
  for (std::int64_t chunk = 0; chunk < model_.held.chunks(); ++chunk) {
    const IndexList keys = model_.held.new_keys(chunk);
    for (std::int64_t begin = 0; begin < keys.count; begin += kPieceKeys)
      pieces.push_back({keys.slice(begin, std::min(kPieceKeys, keys.count - begin)),
                        std::max(chunk, last_piece_)});
  }
  return pieces;
}

void PolyBackward::finish(int threads) {
  if (!wanted_.keys()) return;
  sum_rows(threads);
  const std::vector<KeyPiece> pieces = key_pieces();
  parallel_workers(threads, std::ssize(pieces), [&] {
    return [&, worker = KeyWorker(*this)](std::int64_t i) mutable {
      worker.run(pieces[static_cast<std::size_t>(i)]);
    };
  });
}

}  // namespace subquad
