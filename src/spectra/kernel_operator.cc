#include "subquad/kernel_operator.h"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/checks.h"
#include "kernels/pack.h"

namespace subquad {

struct KernelOperator::State {
  std::vector<float> points;
  std::int64_t count = 0, dim = 0;
  double bandwidth = 0;
  std::string spec;
  int threads = 0;
  std::uint64_t seed = 0;

  TensorView view() const { return dense_view(points.data(), DType::f32, {1, 1, count, dim}); }
  KernelReport sums(const TensorView& queries, const TensorView& x, const MutableTensorView& out,
                    std::string_view by) const {
    return kernel_sums({queries, view(), x, bandwidth}, by, {out}, {threads, seed});
  }
};

namespace {

void check_single(const char* name, const TensorView& view) {
  check_extents(name, view, "points", "last extent");
  if (view.batch() != 1 || view.heads() != 1)
    throw_invalid(fmt::format("{}: batch and heads are {} and {}, must be 1 and 1", name,
                              view.batch(), view.heads()));
}

void check_points(const TensorView& points) {
  check_single("points", points);
  if (points.length() == 0) throw_invalid("points: there are none");
}

void check_finite(const std::vector<float>& points, std::int64_t dim) {
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!std::isfinite(points[i]))
      throw_invalid(
          fmt::format("points: row {} holds {}", static_cast<std::int64_t>(i) / dim, points[i]));
}

void check_product(std::int64_t count, const TensorView& x, std::int64_t rows,
                   const MutableTensorView& out) {
  check_single("x", x);
  check_equal("x", "length", x.length(), "points", count);
  check_target("out", out, {1, 1, rows, x.channels()});
  check_apart(std::vector<Region>{region_of("out", out)}, std::vector<Region>{region_of("x", x)});
}

std::vector<float> dense_points(const TensorView& points) {
  std::vector<float> rows(static_cast<std::size_t>(points.length() * points.channels()));
  kernels::load_rows(
      {points.data, points.dtype, points.stride[2], points.channels(), nullptr, 0, points.length()},
      1.0f, rows.data(), points.channels(), points.channels());
  return rows;
}

// What is wrong with a bandwidth, a spec or options is said without points.
void check_call(double bandwidth, std::string_view spec, const Options& options) {
  float nothing = 0;
  const MutableTensorView none = dense_view(static_cast<void*>(&nothing), DType::f32, {1, 1, 0, 1});
  kernel_sums({none, none, none, bandwidth}, spec, {none}, options);
}

}  // namespace

KernelOperator::KernelOperator(const TensorView& points, double bandwidth, std::string_view spec,
                               const Options& options)
    : state_(std::make_unique<State>()) {
  check_points(points);
  check_call(bandwidth, spec, options);
  *state_ = {dense_points(points), points.length(), points.channels(), bandwidth,
             std::string(spec),    options.threads, options.seed};
  check_finite(state_->points, state_->dim);
}

KernelOperator::~KernelOperator() = default;
KernelOperator::KernelOperator(KernelOperator&& other) noexcept = default;
KernelOperator& KernelOperator::operator=(KernelOperator&& other) noexcept = default;

std::int64_t KernelOperator::size() const { return state_->count; }

KernelReport KernelOperator::apply(const TensorView& x, const MutableTensorView& out) const {
  check_product(size(), x, size(), out);
  return state_->sums(state_->view(), x, out, state_->spec);
}

KernelReport KernelOperator::apply_exactly(const TensorView& x,
                                           const MutableTensorView& out) const {
  check_product(size(), x, size(), out);
  return state_->sums(state_->view(), x, out, "exact");
}

KernelReport KernelOperator::apply_at(const TensorView& queries, const TensorView& x,
                                      const MutableTensorView& out) const {
  check_single("queries", queries);
  check_equal("queries", "last extent", queries.channels(), "points", state_->dim);
  check_product(size(), x, queries.length(), out);
  return state_->sums(queries, x, out, state_->spec);
}

}  // namespace subquad
