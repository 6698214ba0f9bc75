// |D^-1 A|_op by power iteration through attention itself.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "core/probe_problem.h"
#include "subquad/attention.h"
#include "subquad/measure.h"

namespace subquad {
namespace {

// A dense f32 tensor with its memory.
struct Tensor {
  Shape4 shape;
  std::vector<float> data;

  explicit Tensor(const Shape4& s)
      : shape(s), data(static_cast<std::size_t>(s[0] * s[1] * s[2] * s[3]), 0.0F) {}
  TensorView view() const { return dense_view(data.data(), DType::f32, shape); }
  MutableTensorView view() { return dense_view(data.data(), DType::f32, shape); }
};

// Power iteration of P^T P for all heads at once. The query heads of a group share a key/value
// head, but each has its own P: the value tensor gets one channel for each, and query head h reads
// its own, h % group, from the product.
class AttentionPower {
 public:
  AttentionPower(const Problem& problem, int threads)
      : problem_(problem),
        group_(problem.query.heads() / problem.key.heads()),
        keys_({problem.key.batch(), problem.key.heads(), problem.key.length(), group_}),
        product_(keys_),
        rows_({problem.query.batch(), problem.query.heads(), problem.query.length(), group_}),
        lse_({problem.query.batch(), problem.query.heads(), problem.query.length(), 1}) {
    problem_.value = std::as_const(keys_).view();
    options_.threads = threads;
    std::fill(keys_.data.begin(), keys_.data.end(), 1.0F);
    for_each_head([&](std::int64_t b, std::int64_t h) { normalize_key_vector(b, h); });
  }

  // x -> P x -> P^T P x. Returns the largest relative rise of any head's bound since the last half
  // step.
  double step(std::vector<double>& bounds) {
    attend(problem_, "exact", {rows_.view(), lse_.view(), {}}, options_);
    const std::vector<double> before = normalize_rows();
    BackwardArguments arguments;
    arguments.out = arguments.grad_out = std::as_const(rows_).view();
    arguments.lse = std::as_const(lse_).view();
    arguments.grad_value = product_.view();
    attend_backward(problem_, arguments, options_);
    std::copy(product_.data.begin(), product_.data.end(), keys_.data.begin());
    double largest_rise = 0;
    for_each_head([&](std::int64_t b, std::int64_t h) {
      const std::size_t n = static_cast<std::size_t>(b * rows_.shape[1] + h);
      // |P x| with |x| = 1, then |P^T y| with |y| = 1: the second is never smaller.
      const double after = normalize_key_vector(b, h);
      largest_rise = std::max(largest_rise, before[n] > 0 ? after / before[n] - 1 : 0.0);
      bounds[n] = std::isnan(after) ? after : std::max(before[n], after);
    });
    return largest_rise;
  }

 private:
  template <typename Visit>
  void for_each_head(Visit visit) const {
    for (std::int64_t b = 0; b < rows_.shape[0]; ++b)
      for (std::int64_t h = 0; h < rows_.shape[1]; ++h) visit(b, h);
  }

  // Keeps each query head's own channel of P x, scaled to length 1, and clears the others. Returns
  // the lengths.
  std::vector<double> normalize_rows() {
    std::vector<double> norms;
    for_each_head([&](std::int64_t b, std::int64_t h) {
      norms.push_back(normalize_channel(rows_, b, h, h % group_, true));
    });
    return norms;
  }

  double normalize_key_vector(std::int64_t b, std::int64_t h) {
    return normalize_channel(keys_, b, h / group_, h % group_, false);
  }

  static double normalize_channel(Tensor& tensor, std::int64_t b, std::int64_t head,
                                  std::int64_t channel, bool clear_others) {
    const std::int64_t length = tensor.shape[2], width = tensor.shape[3];
    float* data = tensor.data.data() + (b * tensor.shape[1] + head) * length * width;
    double sum = 0;
    for (std::int64_t i = 0; i < length; ++i) {
      const auto value = static_cast<double>(data[i * width + channel]);
      sum += value * value;
    }
    const double norm = std::sqrt(sum);
    const float factor = norm > 0 ? static_cast<float>(1 / norm) : 0.0F;
    for (std::int64_t i = 0; i < length; ++i)
      for (std::int64_t c = 0; c < width; ++c) {
        if (c == channel) data[i * width + c] *= factor;
        if (c != channel && clear_others) data[i * width + c] = 0.0F;
      }
    return norm;
  }

  Problem problem_;
  Options options_;
  std::int64_t group_;
  Tensor keys_, product_, rows_, lse_;
};

}  // namespace

std::vector<double> softmax_norms(const Problem& problem, const MeasureOptions& options) {
  check_probe(problem, options.threads);
  check_power_iteration(options.max_iterations, options.tolerance);
  std::vector<double> bounds(
      static_cast<std::size_t>(problem.query.batch() * problem.query.heads()), 0.0);
  if (problem.query.length() == 0 || problem.key.length() == 0) return bounds;
  AttentionPower power(problem, options.threads);
  for (int n = 0; n < options.max_iterations; ++n)
    if (power.step(bounds) <= options.tolerance) break;
  return bounds;
}

}  // namespace subquad
