#include "support/backward.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace subquad::testing {

Upstream random_upstream(const Problem& problem, std::uint64_t seed, DType type,
                         const Layout& layout) {
  const Shape4& q = problem.query.shape;
  Draw draw(seed);
  Upstream upstream{TensorBuffer(type, {q[0], q[1], q[2], problem.value.shape[3]}, layout),
                    TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}, layout), draw.chance(0.6)};
  upstream.out.fill([&] { return draw.normal(); });
  upstream.lse.fill([&] { return draw.normal(); });
  return upstream;
}

BackwardArguments backward_arguments(const ForwardRun& forward, const Upstream& upstream,
                                     BackwardRun& run) {
  BackwardArguments arguments;
  arguments.out = forward.out.view();
  arguments.lse = forward.lse.view();
  arguments.grad_out = upstream.out.view();
  if (upstream.with_lse) arguments.grad_lse = upstream.lse.view();
  arguments.grad_query = run.query.mutable_view();
  arguments.grad_key = run.key.mutable_view();
  arguments.grad_value = run.value.mutable_view();
  return arguments;
}

BackwardRun run_backward(const Problem& problem, const ForwardRun& forward,
                         const Upstream& upstream, int threads, const Layout& layout) {
  BackwardRun run{TensorBuffer(DType::f32, problem.query.shape, layout),
                  TensorBuffer(DType::f32, problem.key.shape, layout),
                  TensorBuffer(DType::f32, problem.value.shape, layout),
                  {}};
  Options options;
  options.threads = threads;
  run.report = attend_backward(problem, backward_arguments(forward, upstream, run), options);
  return run;
}

double gradient_error(const BackwardRun& run, const ReferenceAttention& reference,
                      const ReferenceAttention::Gradients& expected, double floor) {
  double largest = 0;
  const auto add = [&](const TensorBuffer& got, const DenseTensor& want) {
    const double difference = max_difference(got, want);
    if (difference > 0) largest = std::max(largest, difference / std::max(want.max_abs(), floor));
  };
  add(run.query, expected.query);
  add(run.key, expected.key);
  add(run.value, expected.value);
  return largest / std::max(1.0, reference.max_score);
}

double gradient_error_beyond(const ForwardRun& forward, const Upstream& upstream,
                             const BackwardRun& run, const ReferenceAttention& reference,
                             const ReferenceAttention::Gradients& expected, double floor) {
  if (weight_error(forward.report) == 0) return gradient_error(run, reference, expected, floor);
  const double rounding = weight_error(run.report) > 0 ? 0x1p-9 : 0;
  const auto slack =
      reference.backward_slack(read_tensor(upstream.out.view()), upstream.dense_lse(),
                               weight_error(forward.report), rounding);
  BackwardRun closer = run;
  const auto approach = [](TensorBuffer& got, const DenseTensor& want, const DenseTensor& allowed) {
    got.for_each([&](auto b, auto h, auto i, auto c) {
      const double expected_here = want.row(b, h, i)[c], found = got.get(b, h, i, c);
      const double step = std::min(std::fabs(expected_here - found), allowed.row(b, h, i)[c]);
      if (std::isfinite(step))
        got.set(b, h, i, c, found + std::copysign(step, expected_here - found));
    });
  };
  approach(closer.query, expected.query, slack.query);
  approach(closer.key, expected.key, slack.key);
  approach(closer.value, expected.value, slack.value);
  return gradient_error(closer, reference, expected, floor);
}

}  // namespace subquad::testing
