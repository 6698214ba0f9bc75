// Running one method on one scene, forward and backward, into digests.
#pragma once

#include <cstdint>
#include <string>

#include "digests/digest.h"
#include "digests/scenes.h"
#include "digests/table.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "support/draw.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

struct ForwardResult {
  TensorBuffer out, lse, row_error;
  Report report;
};

inline ForwardResult run_attend(const Scene& scene, const std::string& spec,
                                const Options& options) {
  const OwnedProblem& owned = scene.owned;
  ForwardResult result{{owned.query.type(), owned.out_shape()},
                       {DType::f32, owned.row_shape()},
                       {DType::f32, owned.row_shape()},
                       {}};
  result.report = attend(
      owned.problem, spec,
      {result.out.mutable_view(), result.lse.mutable_view(), result.row_error.mutable_view()},
      options);
  return result;
}

struct GradientResult {
  TensorBuffer query, key, value;
  Report report;
};

// From random gradients of both outputs.
inline GradientResult run_attend_backward(const Scene& scene, const std::string& spec,
                                          const ForwardResult& forward, const Options& options) {
  const OwnedProblem& owned = scene.owned;
  TensorBuffer grad_out(owned.query.type(), owned.out_shape());
  TensorBuffer grad_lse(DType::f32, owned.row_shape());
  Draw draw(31);
  grad_out.fill([&] { return rounded_normal(draw); });
  grad_lse.fill([&] { return rounded_normal(draw); });
  GradientResult result{{DType::f32, owned.query.shape()},
                        {DType::f32, owned.key.shape()},
                        {DType::f32, owned.value.shape()},
                        {}};
  result.report = attend_backward(
      owned.problem, spec,
      {forward.out.view(), forward.lse.view(), grad_out.view(), grad_lse.view(),
       result.query.mutable_view(), result.key.mutable_view(), result.value.mutable_view()},
      options);
  return result;
}

inline CaseDigests method_digests(const std::string& scene_name, const std::string& spec,
                                  std::uint64_t seed, int threads) {
  const Scene& scene = scene_named(scene_name);
  const Options options{threads, seed, scene.given};
  const ForwardResult forward = run_attend(scene, spec, options);
  Digest results, gradients, report;
  for (const TensorBuffer* tensor : {&forward.out, &forward.lse, &forward.row_error})
    results.add(*tensor);
  add_report(report, forward.report);
  try {
    const GradientResult backward = run_attend_backward(scene, spec, forward, options);
    for (const TensorBuffer* tensor : {&backward.query, &backward.key, &backward.value})
      gradients.add(*tensor);
    add_report(report, backward.report);
  } catch (const Error&) {  // rows that this method does not differentiate
    gradients.add(std::string_view("refused"));
  }
  return {results.value(), gradients.value(), report.value()};
}

}  // namespace subquad::testing
