#include "far/blocks/block_mean_backward.h"

#include <algorithm>
#include <numbers>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "kernels/softmax.h"
#include "rows/backward_panels.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

std::int64_t panels(std::int64_t columns) { return round_up(columns, kernels::blocking().panel); }

}  // namespace

// One thread's group of rows: P in weights_, H in slopes_.
class BlockMeanBackward::GroupWorker final : public ModelBackward::Worker, public EntryGradients {
 public:
  explicit GroupWorker(BlockMeanBackward& owner)
      : owner_(owner),
        model_(owner.model_),
        wanted_(wanted_gradients(owner.arguments_)),
        dim_(model_.head().head_dim()),
        width_(model_.width()),
        size_(model_.size()),
        stride_(round_up(size_, 32) + 16),
        grad_stride_(padded_values(width_)),
        mean_stride_(padded_values(dim_)),
        means_(model_.blocks().means().data(), dim_, size_),
        weights_(capacity() * stride_),
        slopes_(capacity() * stride_),
        row_grads_(capacity() * grad_stride_),
        packed_coefficients_(panels(size_) * width_),
        mean_sums_(size_ * mean_stride_),
        value_sums_(size_ * grad_stride_) {
    clear_sums();
    coefficients_stride_ =
        kernels::pack_transposed(dense_rows(model_.coefficients().data(), width_, width_, size_),
                                 packed_coefficients_.data());
  }

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    rows_ = &rows;
    skipped_ = &skipped;
    ready_ = false;
  }

  EntryGradients& entries() override { return *this; }
  RowGrads row_grads() override { return {row_grads_.data(), grad_stride_}; }
  void load_keys(const IndexList&) override { prepare(); }

  void weigh(const MarkedEntries& entries, float sign, float* weights) override {
    for_marked(entries, [&](std::int64_t entry, std::int64_t at) {
      // A weight of 0 counts as met: only -0.0f says that there is no entry.
      weights[entry] = at >= 0 ? sign * weights_[at] + 0.0f : -0.0f;
    });
  }

  void add_slopes(const MarkedEntries& entries, const float*, const float* slopes) override {
    for_marked(entries, [&](std::int64_t entry, std::int64_t at) {
      if (at >= 0) slopes_[at] += slopes[entry];
    });
  }

  void add_estimate() override {
    prepare();
    if (end_ == 0) return;
    kernels::gemm({row_grads_.data(), grad_stride_, 1},
                  right(packed_coefficients_, coefficients_stride_), count(), end_, width_,
                  slopes_.data(), stride_, true);
    if (wanted_.value)
      multiply_seen({{weights_.data(), 1, stride_}, weights_.data()}, rows_->grad_out_panels(), 0,
                    end_, count(), value_sums_.data(), grad_stride_, true);
  }

  void end_group() override {
    if (!ready_ || !wanted_.scores() || end_ == 0) return;
    for (std::int64_t i = 0; i < count(); ++i)
      for (std::int64_t at = i * stride_; at < i * stride_ + end_; ++at)
        slopes_[at] = weights_[at] == 0.0f ? 0.0f : slopes_[at] * weights_[at];
    if (wanted_.query)
      kernels::gemm({slopes_.data(), stride_, 1}, means_.matrix(), count(), dim_, end_,
                    rows_->grad_query(0), rows_->grad_query_stride(), true);
    if (!wanted_.key) return;
    multiply_seen({{slopes_.data(), 1, stride_}, weights_.data()}, rows_->query_panels(), 0, end_,
                  count(), mean_sums_.data(), mean_stride_, true);
  }

  void flush() override {
    for (std::int64_t b = 0; b < size_; ++b) {
      double* mean = owner_.grad_means_.data() + b * dim_;
      double* sum = owner_.grad_sums_.data() + b * (width_ - 1);
      for (std::int64_t d = 0; d < dim_; ++d) mean[d] += double{mean_sums_[b * mean_stride_ + d]};
      for (std::int64_t d = 0; d + 1 < width_; ++d)
        sum[d] += double{value_sums_[b * grad_stride_ + d]};
    }
    clear_sums();
  }

 private:
  static kernels::RightMatrix right(const Scratch<float>& packed, std::int64_t panel_stride) {
    return {packed.data(), panel_stride, kernels::blocking().panel};
  }
  std::int64_t capacity() const { return row_block_size(dim_, width_ - 1); }
  std::int64_t count() const { return rows_->rows().count; }

  void clear_sums() {
    std::fill_n(mean_sums_.data(), mean_sums_.size(), 0.0f);
    std::fill_n(value_sums_.data(), value_sums_.size(), 0.0f);
  }

  // The first time that the group meets something of the estimate.
  void prepare() {
    if (ready_) return;
    ready_ = true;
    blocks_.clear();
    end_ = 0;
    for (std::int64_t i = 0; i < count(); ++i) {
      const bool skipped = (*skipped_)[static_cast<std::size_t>(i)] != 0;
      blocks_.push_back(skipped ? Range{} : model_.blocks_of(rows_->rows()[i]));
      end_ = std::max(end_, blocks_.back().end);
    }
    load_row_grads();
    model_.score(
        rows_->query(0), count(), {0, end_},
        [this](std::int64_t r) { return blocks_[static_cast<std::size_t>(r)]; }, weights_.data(),
        stride_);
    for (std::int64_t i = 0; i < count(); ++i) set_weights(i);
    std::fill_n(slopes_.data(), count() * stride_, 0.0f);
  }

  // -0.0f where row i has no such pseudo key: what it holds then reaches nothing.
  void set_weights(std::int64_t i) {
    float* weights = weights_.data() + i * stride_;
    const Range& blocks = blocks_[static_cast<std::size_t>(i)];
    if (!blocks.empty()) kernels::exp2_rows(weights, stride_, 1, end_, rows_->lse_log2(i));
    for (std::int64_t b = 0; b < end_; ++b)
      if (b < blocks.begin || b >= blocks.end || !model_.blocks().is_usable(b)) weights[b] = -0.0f;
  }

  // Derivatives by the row's sums, values first: (grad_out, offset).
  void load_row_grads() {
    std::fill_n(row_grads_.data(), count() * grad_stride_, 0.0f);
    for (std::int64_t i = 0; i < count(); ++i) {
      if ((*skipped_)[static_cast<std::size_t>(i)] != 0) continue;
      float* row = row_grads_.data() + i * grad_stride_;
      std::copy_n(rows_->grad_out(i), width_ - 1, row);
      if (wanted_.scores()) row[width_ - 1] = *rows_->offset(i);
    }
  }

  // visit(entry, place of row and block; -1: not held).
  template <typename Visit>
  void for_marked(const MarkedEntries& entries, const Visit& visit) {
    for (std::int64_t i = entries.rows.begin; i < entries.rows.end; ++i) {
      const Range& blocks = blocks_[static_cast<std::size_t>(i)];
      const std::int64_t row = (i - entries.rows.begin) * entries.stride;
      for (std::int64_t k = 0; k < entries.keys.count; ++k) {
        const std::int64_t b = model_.block_of(entries.keys[k]);
        const bool held = entries.marks[row + k] == 0.0f && b >= blocks.begin && b < blocks.end;
        visit(row + k, held ? i * stride_ + b : -1);
      }
    }
  }

  BlockMeanBackward& owner_;
  const BlockMeanModel& model_;
  WantedGradients wanted_;
  std::int64_t dim_, width_, size_, stride_, grad_stride_, mean_stride_, coefficients_stride_ = 0;
  std::int64_t end_ = 0;  // of the group's blocks
  BackwardRows* rows_ = nullptr;
  const std::vector<std::uint8_t>* skipped_ = nullptr;
  bool ready_ = false;
  std::vector<Range> blocks_;  // of each row
  FarCoefficients means_;
  Scratch<float> weights_, slopes_, row_grads_, packed_coefficients_, mean_sums_, value_sums_;
};

BlockMeanBackward::BlockMeanBackward(const BlockMeanModel& model,
                                     const BackwardArguments& arguments)
    : model_(model),
      arguments_(arguments),
      grad_means_(static_cast<std::size_t>(model.size() * model.head().head_dim()), 0.0),
      grad_sums_(static_cast<std::size_t>(model.size() * model.head().value_dim()), 0.0) {}

std::unique_ptr<ModelBackward::Worker> BlockMeanBackward::make_worker() {
  return std::make_unique<GroupWorker>(*this);
}

void BlockMeanBackward::finish(int threads) {
  parallel_for(threads, model_.size(), [&](std::int64_t b) {
    if (model_.blocks().is_usable(b)) add_to_members(b);
  });
}

void BlockMeanBackward::add_to_members(std::int64_t b) const {
  const HeadProblem& head = model_.head();
  const IndexList members = model_.blocks().members(b);
  // By the natural logit, shared by the members; the queries have the rest of the scale.
  const double share = std::numbers::ln2 / static_cast<double>(members.count);
  const auto add = [&](const MutableTensorView& view, const std::vector<double>& all, double factor,
                       std::int64_t width) {
    if (view.empty()) return;
    const double* sum = all.data() + b * width;
    for (std::int64_t i = 0; i < members.count; ++i) {
      float* row = static_cast<float*>(view.data) +
                   view.offset(head.batch, head.kv_head, head.key_begin + members[i]);
      for (std::int64_t d = 0; d < width; ++d) row[d] += static_cast<float>(factor * sum[d]);
    }
  };
  add(arguments_.grad_key, grad_means_, share, head.head_dim());
  add(arguments_.grad_value, grad_sums_, 1.0, head.value_dim());
}

}  // namespace subquad
