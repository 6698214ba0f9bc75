#include "subquad/subquad.h"

#include <algorithm>
#include <exception>
#include <string>

#include "subquad/subquad.hpp"

namespace {

using namespace subquad;

thread_local std::string last_error;

// Runs function(), turning exceptions into codes.
template <typename Function>
subquad_status guarded(const Function& function) {
  try {
    function();
    return SUBQUAD_OK;
  } catch (const Error& error) {
    last_error = error.what();
    return error.kind() == ErrorKind::invalid_argument ? SUBQUAD_INVALID_ARGUMENT : SUBQUAD_FAILED;
  } catch (const std::exception& error) {
    last_error = error.what();
    return SUBQUAD_FAILED;
  }
}

Shape4 to_shape(const int64_t (&extents)[4]) {
  return {extents[0], extents[1], extents[2], extents[3]};
}

template <typename Enum>
Enum checked(const char* name, int value, int last) {
  if (value < 0 || value > last)
    throw_invalid(std::string(name) + ": unknown value " + std::to_string(value));
  return static_cast<Enum>(value);
}

template <typename View>
View to_view(const subquad_tensor* tensor) {
  if (tensor == nullptr) return {};
  return {tensor->data, checked<DType>("dtype", tensor->dtype, SUBQUAD_F16),
          to_shape(tensor->shape), to_shape(tensor->stride)};
}

std::size_t count_of(const char* name, int64_t count) {
  if (count < 0) throw_invalid(std::string(name) + ": negative count");
  return static_cast<std::size_t>(count);
}

Problem to_problem(const subquad_problem* from) {
  if (from == nullptr) throw_invalid("problem: is NULL");
  Problem problem;
  problem.query = to_view<TensorView>(&from->query);
  problem.key = to_view<TensorView>(&from->key);
  problem.value = to_view<TensorView>(&from->value);
  if (from->has_scale != 0) problem.scale = from->scale;
  problem.causal = checked<Causal>("causal", from->causal, SUBQUAD_CAUSAL_BOTTOM_RIGHT);
  problem.window = {from->window_left, from->window_right,
                    from->window_bottom_right != 0 ? Alignment::bottom_right : Alignment::top_left};
  problem.mask = {checked<MaskKind>("mask_kind", from->mask_kind, SUBQUAD_MASK_ADDITIVE),
                  from->mask, to_shape(from->mask_shape), to_shape(from->mask_stride)};
  if (from->sink_logits != nullptr)
    problem.sink_logits = {from->sink_logits, count_of("num_sink_logits", from->num_sink_logits)};
  const std::size_t offsets = count_of("num_offsets", from->num_offsets);
  if (from->query_offsets != nullptr) problem.query_offsets = {from->query_offsets, offsets};
  if (from->key_offsets != nullptr) problem.key_offsets = {from->key_offsets, offsets};
  return problem;
}

void store(const Report& from, subquad_report* to) {
  if (to != nullptr)
    *to = {from.rows,          from.fallback_rows, from.scored_entries, from.peak_extra_bytes,
           from.negative_rows, from.recall};
}

}  // namespace

extern "C" {

subquad_problem subquad_problem_default(void) {
  subquad_problem problem{};
  problem.window_left = problem.window_right = -1;
  return problem;
}

subquad_tensor subquad_dense(void* data, int dtype, int64_t batch, int64_t heads, int64_t length,
                             int64_t channels) {
  subquad_tensor tensor{data, dtype, {batch, heads, length, channels}, {}};
  const Shape4 strides = dense_strides({batch, heads, length, channels});
  std::copy(strides.begin(), strides.end(), tensor.stride);
  return tensor;
}

subquad_status subquad_attend(const subquad_problem* problem, const char* spec,
                              const subquad_tensor* out, const subquad_tensor* lse,
                              const subquad_tensor* row_error, int threads, uint64_t seed,
                              subquad_report* report) {
  return guarded([&] {
    if (spec == nullptr) throw_invalid("spec: is NULL");
    const Outputs outputs{to_view<MutableTensorView>(out), to_view<MutableTensorView>(lse),
                          to_view<MutableTensorView>(row_error)};
    store(attend(to_problem(problem), spec, outputs, {threads, seed}), report);
  });
}

subquad_status subquad_attend_backward(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, int threads, uint64_t seed, subquad_report* report) {
  return guarded([&] {
    if (spec == nullptr) throw_invalid("spec: is NULL");
    const BackwardArguments arguments{to_view<TensorView>(out),
                                      to_view<TensorView>(lse),
                                      to_view<TensorView>(grad_out),
                                      to_view<TensorView>(grad_lse),
                                      to_view<MutableTensorView>(grad_query),
                                      to_view<MutableTensorView>(grad_key),
                                      to_view<MutableTensorView>(grad_value)};
    store(attend_backward(to_problem(problem), spec, arguments, {threads, seed}), report);
  });
}

const char* subquad_last_error(void) { return last_error.c_str(); }

}  // extern "C"
