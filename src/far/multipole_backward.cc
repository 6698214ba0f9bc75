#include "far/multipole_backward.h"

#include <algorithm>
#include <limits>
#include <numbers>
#include <utility>

#include "core/threads.h"
#include "rows/tile_sizes.h"
#include "kernels/pack.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

kernels::RowSource dense_rows(const float* data, std::int64_t width, std::int64_t stride,
                              std::int64_t count, const std::int32_t* ids = nullptr) {
  return {data, DType::f32, stride, width, ids, 0, count};
}

std::int64_t panels(std::int64_t columns) {
  const std::int64_t panel = kernels::blocking().panel;
  return (columns + panel - 1) / panel * panel;
}

float* gradient_row(const HeadProblem& head, const MutableTensorView& view, std::int64_t key) {
  return static_cast<float*>(view.data) +
         view.offset(head.batch, head.kv_head, head.key_begin + key);
}

}  // namespace

// P_ic = 2^(q_i . mu_c) / l_i and H_ic, the derivative of the loss by row i's weight of c (times
// l_i): groups gather H, then G = P H is the derivative by the natural logit.
class MultipoleBackward::GroupWorker final : public ModelBackward::Worker, public EntryGradients {
 public:
  explicit GroupWorker(MultipoleBackward& owner)
      : owner_(owner),
        model_(owner.model_),
        wanted_(wanted_gradients(owner.arguments_)),
        dim_(model_.far->head_dim()),
        width_(model_.width()),
        capacity_(row_block_size(dim_, width_ - 1)),
        stride_(padded_values(model_.size()) + 16),
        grad_stride_(padded_values(width_)),
        mean_stride_(padded_values(dim_)),
        means_(model_.far->means().data(), dim_, model_.size()),
        weights_(capacity_ * stride_),
        slopes_(capacity_ * stride_),
        products_(capacity_ * stride_),
        row_grads_(capacity_ * grad_stride_),
        packed_grads_(capacity_ * panels(width_)),
        packed_queries_(capacity_ * panels(dim_)),
        packed_coefficients_(panels(model_.size()) * width_),
        mean_sums_(model_.size() * mean_stride_),
        residual_(model_) {
    std::fill(mean_sums_.span().begin(), mean_sums_.span().end(), 0.0f);
    if (owner.shape_ == nullptr) return;
    shape_ = std::make_unique<ClusterShapeBackward::Worker>(*owner.shape_);
    slope_shares_ = Scratch<float>(capacity_ * stride_);
  }

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    rows_ = &rows;
    skipped_ = &skipped;
    ready_ = false;
  }

  void subtract_near_field(std::int64_t group) override {
    const std::vector<std::int32_t>& opened = model_.opened->opened(group);
    if (!opened.empty()) subtract_clusters(opened);
  }

  EntryGradients& entries() override { return *this; }

  RowGrads row_grads() override { return {row_grads_.data(), grad_stride_}; }

  void load_keys(const IndexList&) override { prepare(); }

  void weigh(const MarkedEntries& entries, float sign, float* weights) override {
    for_marked(entries, [&](std::int64_t entry, bool held, std::int64_t at, std::int32_t c) {
      weights[entry] = held ? sign * weights_[at] + 0.0f : -0.0f;
      if (held && shape_ != nullptr) slope_shares_[at] += sign / model_.count(c);
    });
  }

  void add_slopes(const MarkedEntries& entries, const float*, const float* slopes) override {
    for_marked(entries, [&](std::int64_t entry, bool held, std::int64_t at, std::int32_t) {
      if (held) slopes_[at] += slopes[entry];
    });
  }

  void add_estimate() override {
    const std::int64_t prefix = model_.prefix_of(rows_->rows()[0]);
    if (prefix == 0) return;
    prepare();
    if (model_.residual == nullptr) {
      add_coefficients(owner_.coefficients_[static_cast<std::size_t>(prefix - 1)].data(),
                       sums_of(prefix));
      add_slope_shares([](std::int64_t) { return 1.0f; });
    } else {
      add_residual(prefix);
    }
  }

  void end_group() override {
    if (!ready_) return;
    if (shape_ != nullptr) shape_->add_dipole(shape_rows());
    if (!wanted_.scores()) return;
    const std::int64_t size = model_.size();
    for (std::int64_t i = 0; i < count(); ++i)
      for (std::int64_t c = i * stride_; c < i * stride_ + size; ++c) slopes_[c] *= weights_[c];
    if (shape_ != nullptr) shape_->add_quadratic(shape_rows());
    if (wanted_.query)
      kernels::gemm({slopes_.data(), stride_, 1}, means_.matrix(), count(), dim_, size,
                    rows_->grad_query(0), rows_->grad_query_stride(), true);
    kernels::pack_rows(dense_rows(rows_->query(0), dim_, dim_, count()), packed_queries_.data(),
                       kernels::blocking().panel * count());
    kernels::gemm({slopes_.data(), 1, stride_},
                  right(packed_queries_, kernels::blocking().panel * count()), size, dim_, count(),
                  mean_sums_.data(), mean_stride_, true);
  }

  void flush() override {
    for (const CoefficientSums& sums : sums_) owner_.add_sums(sums, grad_stride_);
    sums_.clear();
    residual_.flush(owner_.arguments_);
    if (shape_ != nullptr) shape_->flush();
    for (std::int64_t c = 0; c < model_.size(); ++c)
      for (std::int64_t d = 0; d < dim_; ++d)
        owner_.grad_means_[static_cast<std::size_t>(c * dim_ + d)] +=
            double{mean_sums_[c * mean_stride_ + d]};
    std::fill(mean_sums_.span().begin(), mean_sums_.span().end(), 0.0f);
  }

 private:
  static kernels::RightMatrix right(const Scratch<float>& packed, std::int64_t panel_stride) {
    return {packed.data(), panel_stride, kernels::blocking().panel};
  }
  std::int64_t count() const { return rows_->rows().count; }
  kernels::RightMatrix packed_row_grads() const {
    return right(packed_grads_, kernels::blocking().panel * count());
  }

  // The first time that the group meets something of the estimate.
  void prepare() {
    if (ready_) return;
    ready_ = true;
    load_row_grads();
    model_.far->score(rows_->query(0), count(), weights_.data(), stride_, workspace_);
    for (std::int64_t i = 0; i < count(); ++i) {
      float* row = weights_.data() + i * stride_;
      if ((*skipped_)[static_cast<std::size_t>(i)] != 0) {
        std::fill_n(row, model_.size(), 0.0f);
      } else {
        kernels::exp2_rows(row, stride_, 1, model_.size(), rows_->lse_log2(i));
      }
    }
    std::fill_n(slopes_.data(), count() * stride_, 0.0f);
    if (shape_ != nullptr) std::fill_n(slope_shares_.data(), count() * stride_, 0.0f);
  }

  ClusterShapeBackward::Rows shape_rows() {
    return {count(),
            rows_->query(0),
            dim_,
            weights_.data(),
            slopes_.data(),
            slope_shares_.data(),
            stride_,
            row_grads_.data(),
            grad_stride_,
            rows_->grad_query(0),
            rows_->grad_query_stride()};
  }

  // All rows of the group hold `share(c)` more of the clusters' slopes.
  template <typename Share>
  void add_slope_shares(const Share& share) {
    for (std::int64_t i = 0; shape_ != nullptr && i < count(); ++i)
      for (std::int64_t c = 0; c < model_.size(); ++c) slope_shares_[i * stride_ + c] += share(c);
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
    kernels::pack_rows(dense_rows(row_grads_.data(), width_, grad_stride_, count()),
                       packed_grads_.data(), kernels::blocking().panel * count());
  }

  // All rows of the group meet the coefficients, R x (Dv + 1); `sums` gain the gradients by them.
  void add_coefficients(const float* coefficients, float* sums) {
    const std::int64_t panel_stride = kernels::pack_transposed(
        dense_rows(coefficients, width_, width_, model_.size()), packed_coefficients_.data());
    kernels::gemm({row_grads_.data(), grad_stride_, 1}, right(packed_coefficients_, panel_stride),
                  count(), model_.size(), width_, slopes_.data(), stride_, true);
    kernels::gemm({weights_.data(), 1, stride_}, packed_row_grads(), model_.size(), width_, count(),
                  sums, grad_stride_, true);
  }

  void add_residual(std::int64_t prefix) {
    const FarSums far{model_.prior_row(prefix, 0),
                      std::min(prefix * model_.segment, model_.head->num_keys)};
    if (residual_.begin(rows_->rows()[0], far)) {
      Scratch<float> sums(model_.size() * grad_stride_);
      std::fill(sums.span().begin(), sums.span().end(), 0.0f);
      add_coefficients(residual_.rest().rows.data(), sums.data());
      residual_.add_rest(sums.data(), grad_stride_, sums_of(prefix));
      add_slope_shares(
          [&](std::int64_t c) { return residual_.rest().slopes[static_cast<std::size_t>(c)]; });
    }
    residual_.add_back({rows_->rows(), weights_.data(), slopes_.data(),
                        shape_ != nullptr ? slope_shares_.data() : nullptr, stride_,
                        row_grads_.data(), grad_stride_});
  }

  // The prior of the listed clusters leaves the sums of all rows of the group.
  void subtract_clusters(const std::vector<std::int32_t>& chosen) {
    prepare();
    const auto size = static_cast<std::int64_t>(chosen.size());
    const std::int64_t panel_stride = kernels::pack_transposed(
        dense_rows(model_.prior.back().data(), width_, width_, size, chosen.data()),
        packed_coefficients_.data());
    kernels::gemm({row_grads_.data(), grad_stride_, 1}, right(packed_coefficients_, panel_stride),
                  count(), size, width_, products_.data(), stride_, false);
    for (std::int64_t i = 0; i < count(); ++i)
      for (std::int64_t c = 0; c < size; ++c) {
        float& product = products_[i * stride_ + c];
        const std::int64_t at = i * stride_ + chosen[static_cast<std::size_t>(c)];
        slopes_[at] -= product;
        if (shape_ != nullptr) slope_shares_[at] -= 1;
        product = -weights_[at];
      }
    Scratch<float> sums(size * grad_stride_);
    kernels::gemm({products_.data(), 1, stride_}, packed_row_grads(), size, width_, count(),
                  sums.data(), grad_stride_, false);
    float* out = sums_of(0);
    for (std::int64_t c = 0; c < size; ++c)
      for (std::int64_t d = 0; d < width_; ++d)
        out[chosen[static_cast<std::size_t>(c)] * grad_stride_ + d] += sums[c * grad_stride_ + d];
  }

  // visit(entry, whether its cluster's prefix holds it, place of row and cluster, cluster).
  template <typename Visit>
  void for_marked(const MarkedEntries& entries, const Visit& visit) {
    for (std::int64_t i = entries.rows.begin; i < entries.rows.end; ++i) {
      const std::int64_t end = model_.prefix_of(rows_->rows()[i]) * model_.segment;
      const std::int64_t row = (i - entries.rows.begin) * entries.stride;
      for (std::int64_t k = 0; k < entries.keys.count; ++k) {
        const std::int64_t key = entries.keys[k];
        const std::int32_t c = model_.clusters->cluster_of[static_cast<std::size_t>(key)];
        visit(row + k, entries.marks[row + k] == 0.0f && key < end, i * stride_ + c, c);
      }
    }
  }

  float* sums_of(std::int64_t prefix) {
    for (CoefficientSums& sums : sums_)
      if (sums.prefix == prefix) return sums.sums.data();
    sums_.push_back({prefix, Scratch<float>(model_.size() * grad_stride_)});
    std::fill(sums_.back().sums.span().begin(), sums_.back().sums.span().end(), 0.0f);
    return sums_.back().sums.data();
  }

  MultipoleBackward& owner_;
  const MultipoleModel& model_;
  WantedGradients wanted_;
  std::int64_t dim_, width_, capacity_, stride_, grad_stride_, mean_stride_;
  BackwardRows* rows_ = nullptr;
  const std::vector<std::uint8_t>* skipped_ = nullptr;
  bool ready_ = false;
  FarCoefficients means_;
  Scratch<float> weights_, slopes_, products_, row_grads_, packed_grads_, packed_queries_,
      packed_coefficients_, mean_sums_;
  std::vector<CoefficientSums> sums_;
  ResidualBackward residual_;
  ClusterShape::Workspace workspace_;
  std::unique_ptr<ClusterShapeBackward::Worker> shape_;  // nullptr: order 0
  Scratch<float> slope_shares_;  // how much of each cluster's slope each row holds
};

MultipoleBackward::MultipoleBackward(MultipoleModel model, MultipoleProbes probes,
                                     const BackwardArguments& arguments, int threads)
    : model_(std::move(model)),
      arguments_(arguments),
      coefficients_(model_.prior),
      grad_means_(static_cast<std::size_t>(model_.size() * model_.far->head_dim())),
      grad_coefficients_(model_.prior.size(), std::vector<double>(model_.prior[0].size())),
      grad_opened_(model_.prior[0].size()) {
  if (model_.far->shape() != nullptr)
    shape_ = std::make_unique<ClusterShapeBackward>(*model_.head, *model_.far, *model_.clusters,
                                                    arguments_, threads);
  if (probes.rows.count == 0) return;
  fit_ = std::make_unique<MultipoleFitBackward>(model_, std::move(probes), threads);
  fit_->add_correction(coefficients_);
}

std::unique_ptr<ModelBackward::Worker> MultipoleBackward::make_worker() {
  return std::make_unique<GroupWorker>(*this);
}

void MultipoleBackward::add_sums(const CoefficientSums& sums, std::int64_t stride) {
  std::vector<double>& to = sums.prefix == 0
                                ? grad_opened_
                                : grad_coefficients_[static_cast<std::size_t>(sums.prefix - 1)];
  const std::int64_t width = model_.width();
  for (std::int64_t c = 0; c < model_.size(); ++c)
    for (std::int64_t d = 0; d < width; ++d)
      to[static_cast<std::size_t>(c * width + d)] += double{sums.sums[c * stride + d]};
}

void MultipoleBackward::finish(int threads) {
  if (fit_ != nullptr)
    fit_->add_gradients(grad_coefficients_, arguments_, grad_means_, shape_.get(), threads);
  if (shape_ != nullptr) shape_->finish(threads);
  for (std::size_t n = 0; n < grad_opened_.size(); ++n)
    grad_coefficients_.back()[n] += grad_opened_[n];
  parallel_for(threads, model_.size(), [&](std::int64_t cluster) {
    if (!arguments_.grad_key.empty()) add_to_keys(cluster);
    if (!arguments_.grad_value.empty()) add_to_values(cluster);
  });
}

// A mean's gradient goes evenly to its keys.
void MultipoleBackward::add_to_keys(std::int64_t cluster) const {
  const IndexList members = model_.clusters->members(cluster);
  const std::int64_t dim = model_.far->head_dim();
  const double* mean = grad_means_.data() + cluster * dim;
  const double factor = std::numbers::ln2 / static_cast<double>(members.count);
  for (std::int64_t k = 0; k < members.count; ++k) {
    float* row = gradient_row(*model_.head, arguments_.grad_key, members[k]);
    for (std::int64_t d = 0; d < dim; ++d) row[d] += static_cast<float>(factor * mean[d]);
  }
}

// A value counts in every prefix that holds its key.
void MultipoleBackward::add_to_values(std::int64_t cluster) const {
  const IndexList members = model_.clusters->members(cluster);
  const std::int64_t width = model_.width();
  std::vector<double> sum(static_cast<std::size_t>(width - 1), 0.0);
  std::int64_t prefix = model_.prefixes() + 1;
  for (std::int64_t k = members.count - 1; k >= 0; --k) {
    const std::int64_t first = members[k] / model_.segment + 1;
    if (first > model_.prefixes()) continue;
    while (prefix > first) {
      --prefix;
      const auto& from = grad_coefficients_[static_cast<std::size_t>(prefix - 1)];
      for (std::int64_t d = 0; d < width - 1; ++d)
        sum[static_cast<std::size_t>(d)] += from[static_cast<std::size_t>(cluster * width + d)];
    }
    float* row = gradient_row(*model_.head, arguments_.grad_value, members[k]);
    for (std::size_t d = 0; d < sum.size(); ++d) row[d] += static_cast<float>(sum[d]);
  }
}

}  // namespace subquad
