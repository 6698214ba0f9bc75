#include "support/gradient_differences.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace subquad::testing {

ForwardRun forward_of(const MethodCase& setup, int threads) {
  const Shape4& q = setup.problem.query.shape;
  ForwardRun run{TensorBuffer(DType::f32, {q[0], q[1], q[2], setup.problem.value.shape[3]}),
                 TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}),
                 {}};
  const Options options{.threads = threads, .seed = kSeed};
  run.report = attend(setup.problem, setup.spec,
                      {run.out.mutable_view(), run.lse.mutable_view(), {}}, options);
  return run;
}

BackwardRun backward_of(const MethodCase& setup, int threads) {
  const ForwardRun forward = forward_of(setup, threads);
  BackwardRun run{TensorBuffer(DType::f32, setup.problem.query.shape),
                  TensorBuffer(DType::f32, setup.problem.key.shape),
                  TensorBuffer(DType::f32, setup.problem.value.shape),
                  {}};
  const Options options{.threads = threads, .seed = kSeed};
  run.report = attend_backward(setup.problem, setup.spec,
                               backward_arguments(forward, setup.upstream, run), options);
  return run;
}

double distance(const TensorBuffer& a, const TensorBuffer& b) {
  const DenseTensor dense = read_tensor(b.view());
  return max_difference(a, dense) / std::max(0.1, dense.max_abs());
}

void expect_single_gradients(const MethodCase& setup) {
  const ForwardRun forward = forward_of(setup);
  const BackwardRun all = backward_of(setup);
  for (int wanted = 0; wanted < 3; ++wanted) {
    BackwardRun run{TensorBuffer(DType::f32, setup.problem.query.shape),
                    TensorBuffer(DType::f32, setup.problem.key.shape),
                    TensorBuffer(DType::f32, setup.problem.value.shape),
                    {}};
    BackwardArguments arguments = backward_arguments(forward, setup.upstream, run);
    if (wanted != 0) arguments.grad_query = {};
    if (wanted != 1) arguments.grad_key = {};
    if (wanted != 2) arguments.grad_value = {};
    attend_backward(setup.problem, setup.spec, arguments, {.threads = 1, .seed = kSeed});
    EXPECT_LE(wanted == 0   ? distance(run.query, all.query)
              : wanted == 1 ? distance(run.key, all.key)
                            : distance(run.value, all.value),
              1e-6);
  }
}

}  // namespace subquad::testing
