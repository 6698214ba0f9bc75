#include "far/fit/multipole_fit_backward.h"

#include <algorithm>
#include <utility>

#include "core/threads.h"
#include "rows/head_rows.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "kernels/softmax.h"
#include "far/fit/multipole_probe_backward.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;

kernels::RowSource rows_of(const PaddedMatrix& m) {
  return {m.data.data(), DType::f32, m.stride, m.columns, nullptr, 0, m.rows};
}

// out (=, or += with accumulate) a b.
void multiply(const kernels::LeftMatrix& a, const kernels::RightMatrix& b, std::int64_t depth,
              PaddedMatrix& out, bool accumulate, int threads) {
  parallel_for(threads, (out.rows + kRows - 1) / kRows, [&](std::int64_t block) {
    const std::int64_t begin = block * kRows, count = std::min(kRows, out.rows - begin);
    kernels::gemm({a.data + begin * a.row_stride, a.row_stride, a.depth_stride}, b, count,
                  out.columns, depth, out.row(begin), out.stride, accumulate);
  });
}

// A matrix as the B of A B, or of A B^T.
class Packed {
 public:
  Packed(const PaddedMatrix& m, bool transposed) : panel_(kernels::blocking().panel) {
    const std::int64_t columns = transposed ? m.rows : m.columns;
    const std::int64_t depth = transposed ? m.columns : m.rows;
    data_ = Scratch<float>((columns + panel_ - 1) / panel_ * panel_ * depth);
    stride_ = panel_ * depth;
    if (transposed) {
      stride_ = kernels::pack_transposed(rows_of(m), data_.data());
    } else {
      kernels::pack_rows(rows_of(m), data_.data(), stride_);
    }
  }
  kernels::RightMatrix matrix() const { return {data_.data(), stride_, panel_}; }

 private:
  std::int64_t panel_, stride_ = 0;
  Scratch<float> data_;
};

double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

PaddedMatrix::PaddedMatrix(std::int64_t rows_in, std::int64_t columns_in)
    : rows(rows_in),
      columns(columns_in),
      stride(padded_values(columns_in) + 16),
      data(rows_in * (padded_values(columns_in) + 16)) {}

MultipoleFitBackward::MultipoleFitBackward(const MultipoleModel& model, MultipoleProbes probes,
                                           int threads)
    : model_(model),
      probes_(std::move(probes)),
      count_(probes_.rows.count),
      size_(model.size()),
      columns_(model.prefixes() * model.width()),
      weights_(count_, size_),
      features_(count_ * size_),
      targets_(count_, columns_),
      solution_(size_, columns_) {
  weigh_clusters();
  sum_targets();
  fit_ = std::make_unique<RidgeFit>(features_.data(), count_, size_, probes_.ridge, threads);
  if (!fit_->ok())
    throw_invalid("attend_backward: multipole's fit fails on inputs that its forward has fitted");
  fit_->solve(targets_.data.data(), targets_.stride, columns_, solution_.data.data(),
              solution_.stride, threads);
}

void MultipoleFitBackward::weigh_clusters() {
  const std::int64_t dim = model_.far->head_dim();
  std::vector<float> queries(static_cast<std::size_t>(count_ * dim));
  load_head_rows(*probes_.head, probes_.head->problem->query, probes_.rows,
                 probes_.head->scale_log2, queries.data(), dim);
  ClusterShape::Workspace workspace;
  model_.far->score(queries.data(), count_, weights_.data.data(), weights_.stride, workspace);
  for (std::int64_t i = 0; i < count_; ++i) {
    const auto total = static_cast<float>(probes_.log2_total[static_cast<std::size_t>(i)]);
    kernels::exp2_rows(weights_.row(i), weights_.stride, 1, size_, &total);
    for (std::int64_t c = 0; c < size_; ++c)
      features_[i * size_ + c] = weights_.row(i)[c] * model_.count(c);
  }
}

// A prefix misses what its segments miss.
void MultipoleFitBackward::sum_targets() {
  const std::int64_t width = model_.width();
  for (std::int64_t i = 0; i < count_; ++i) {
    const float* missed = probes_.missed.data() + i * columns_;
    std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
    for (std::int64_t n = 0; n < columns_; ++n) {
      double& total = sum[static_cast<std::size_t>(n % width)];
      total += double{missed[n]};
      targets_.row(i)[n] = static_cast<float>(total);
    }
  }
}

void MultipoleFitBackward::add_correction(std::vector<std::vector<float>>& coefficients) const {
  const std::int64_t width = model_.width();
  for (std::int64_t c = 0; c < size_; ++c)
    for (std::int64_t n = 0; n < columns_; ++n)
      coefficients[static_cast<std::size_t>(n / width)]
                  [static_cast<std::size_t>(c * width + n % width)] +=
          solution_.row(c)[n] * model_.count(c);
}

// dC.
PaddedMatrix MultipoleFitBackward::scaled(
    const std::vector<std::vector<double>>& grad_coefficients) const {
  PaddedMatrix result(size_, columns_);
  const std::int64_t width = model_.width();
  for (std::int64_t c = 0; c < size_; ++c)
    for (std::int64_t n = 0; n < columns_; ++n)
      result.row(c)[n] =
          static_cast<float>(double{model_.count(c)} *
                             grad_coefficients[static_cast<std::size_t>(n / width)]
                                              [static_cast<std::size_t>(c * width + n % width)]);
  return result;
}

// <Z, C>
double MultipoleFitBackward::product(const PaddedMatrix& solved) const {
  double sum = 0;
  for (std::int64_t c = 0; c < size_; ++c) sum += dot(solved.row(c), solution_.row(c), columns_);
  return sum;
}

// dF = (T - F C) Z^T - dT C^T - (2 lambda / r) <Z, C> F: ridge_fit.h's, with dT = F Z.
PaddedMatrix MultipoleFitBackward::grad_features(const PaddedMatrix& solved,
                                                 const PaddedMatrix& grad_targets,
                                                 int threads) const {
  const kernels::LeftMatrix features{features_.data(), size_, 1};
  PaddedMatrix rest(count_, columns_);
  multiply(features, Packed(solution_, false).matrix(), size_, rest, false, threads);
  for (std::int64_t i = 0; i < count_; ++i)
    for (std::int64_t n = 0; n < columns_; ++n)
      rest.row(i)[n] = targets_.row(i)[n] - rest.row(i)[n];
  PaddedMatrix result(count_, size_), minus(count_, size_);
  multiply({rest.data.data(), rest.stride, 1}, Packed(solved, true).matrix(), columns_, result,
           false, threads);
  multiply({grad_targets.data.data(), grad_targets.stride, 1}, Packed(solution_, true).matrix(),
           columns_, minus, false, threads);
  const auto moved =
      static_cast<float>(2 * probes_.ridge / static_cast<double>(size_) * product(solved));
  for (std::int64_t i = 0; i < count_; ++i)
    for (std::int64_t c = 0; c < size_; ++c)
      result.row(i)[c] -= minus.row(i)[c] + moved * features_[i * size_ + c];
  return result;
}

void MultipoleFitBackward::add_gradients(const std::vector<std::vector<double>>& grad_coefficients,
                                         const BackwardArguments& arguments,
                                         std::vector<double>& grad_means,
                                         ClusterShapeBackward* shape, int threads) const {
  PaddedMatrix solved(size_, columns_), grad_targets(count_, columns_);
  const PaddedMatrix grad_solution = scaled(grad_coefficients);
  fit_->apply_inverse(grad_solution.data.data(), grad_solution.stride, columns_, solved.data.data(),
                      solved.stride, threads);
  multiply({features_.data(), size_, 1}, Packed(solved, false).matrix(), size_, grad_targets, false,
           threads);
  PaddedMatrix grad_weights = grad_features(solved, grad_targets, threads);
  std::vector<float> pull(static_cast<std::size_t>(count_));
  for (std::int64_t i = 0; i < count_; ++i) {
    pull[static_cast<std::size_t>(i)] =
        static_cast<float>(dot(grad_weights.row(i), features_.data() + i * size_, size_) +
                           dot(grad_targets.row(i), targets_.row(i), columns_));
    for (std::int64_t c = 0; c < size_; ++c) grad_weights.row(i)[c] *= model_.count(c);
    // A segment counts in every prefix from its own on.
    float* row = grad_targets.row(i);
    for (std::int64_t n = columns_ - model_.width() - 1; n >= 0; --n)
      row[n] += row[n + model_.width()];
  }
  const ProbeGradients gradients{weights_, grad_weights, grad_targets, pull};
  add_probe_gradients(model_, probes_, gradients, arguments, grad_means, shape, threads);
}

}  // namespace subquad
