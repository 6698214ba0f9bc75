#include "capi/convert.h"

#include <algorithm>
#include <iterator>
#include <new>

namespace subquad::capi {
namespace {

thread_local std::string last_error;

Shape4 to_shape(const int64_t (&extents)[4]) {
  return {extents[0], extents[1], extents[2], extents[3]};
}

template <typename Enum>
Enum checked(const std::string& name, int value, int last) {
  if (value < 0 || value > last) throw_invalid(name + ": unknown value " + std::to_string(value));
  return static_cast<Enum>(value);
}

MutableTensorView view_of(const char* name, const subquad_tensor& tensor) {
  const MutableTensorView view{
      tensor.data, checked<DType>(std::string(name) + ".dtype", tensor.dtype, SUBQUAD_F16),
      to_shape(tensor.shape), to_shape(tensor.stride)};
  const bool any = std::find(view.shape.begin(), view.shape.end(), 0) == view.shape.end();
  if (any && view.data == nullptr) throw_invalid(std::string(name) + ": no data");
  return view;
}

Mask to_mask(const subquad_problem& from) {
  const auto kind = checked<MaskKind>("mask_kind", from.mask_kind, SUBQUAD_MASK_ADDITIVE);
  if (kind == MaskKind::none && from.mask != nullptr)
    throw_invalid("mask_kind: is none, but there is a mask");
  const auto is_set = [](const int64_t(&extents)[4]) { return to_shape(extents) != Shape4{}; };
  if (kind == MaskKind::none && (is_set(from.mask_shape) || is_set(from.mask_stride)))
    throw_invalid("mask_kind: is none, but mask_shape or mask_stride is set");
  return {kind, from.mask, to_shape(from.mask_shape), to_shape(from.mask_stride)};
}

}  // namespace

subquad_status status_of_exception() noexcept try {
  try {
    throw;
  } catch (const Error& error) {
    last_error = error.what();
    return error.kind() == ErrorKind::invalid_argument ? SUBQUAD_INVALID_ARGUMENT : SUBQUAD_FAILED;
  } catch (const std::bad_alloc&) {
    last_error = "out of memory";
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "unknown error";
  }
  return SUBQUAD_FAILED;
} catch (...) {  // no memory for the text
  last_error.clear();
  return SUBQUAD_FAILED;
}

std::string_view required_text(const char* name, const char* text) { return &required(name, text); }

void check_pair(const char* name, const void* pointer, const char* count_name, std::int64_t count) {
  const std::string text = std::to_string(count);
  if (count < 0) throw_invalid(std::string(count_name) + ": " + text + " is negative");
  if (pointer != nullptr && count == 0)
    throw_invalid(std::string(count_name) + ": is 0, but " + name + " is given");
  if (pointer == nullptr && count > 0)
    throw_invalid(std::string(name) + ": is NULL, but " + count_name + " is " + text);
}

void check_count(const char* count_name, std::int64_t count, std::int64_t most) {
  if (count > most)
    throw_invalid(std::string(count_name) + ": is " + std::to_string(count) + ", at most " +
                  std::to_string(most) + " are supported");
}

std::int64_t heads_of(const char* name, const TensorView& view) {
  std::int64_t heads = 0;
  if (__builtin_mul_overflow(view.batch(), view.heads(), &heads))
    throw_invalid(std::string(name) + ": too many heads");
  return heads;
}

std::span<double> to_numbers(const NumberList& list, std::int64_t wanted,
                             std::span<const Region> inputs) {
  check_pair(list.name, list.numbers, list.count_name, list.count);
  if (list.count != wanted)
    throw_invalid(std::string(list.count_name) + ": is " + std::to_string(list.count) +
                  ", must be " + std::to_string(wanted));
  const std::span<double> numbers{list.numbers, static_cast<std::size_t>(list.count)};
  check_span(list.name, numbers);
  check_apart(std::vector<Region>{region_of(list.name, std::span<const double>(numbers))}, inputs);
  return numbers;
}

TensorView to_view(const char* name, const subquad_tensor* tensor) {
  return view_of(name, required(name, tensor));
}

MutableTensorView to_target(const char* name, const subquad_tensor* tensor) {
  return view_of(name, required(name, tensor));
}

TensorView optional_view(const char* name, const subquad_tensor* tensor) {
  return optional_target(name, tensor);
}

MutableTensorView optional_target(const char* name, const subquad_tensor* tensor) {
  return tensor == nullptr ? MutableTensorView{} : view_of(name, *tensor);
}

Outputs to_outputs(const subquad_tensor* out, const subquad_tensor* lse,
                   const subquad_tensor* row_error) {
  return {to_target("out", out), optional_target("lse", lse),
          optional_target("row_error", row_error)};
}

Problem to_problem(const subquad_problem* given) {
  const subquad_problem& from = required("problem", given);
  Problem problem;
  problem.query = to_view("query", &from.query);
  problem.key = to_view("key", &from.key);
  problem.value = to_view("value", &from.value);
  if (from.has_scale != 0)
    problem.scale = from.scale;
  else if (from.scale != 0)
    throw_invalid("has_scale: is 0, but there is a scale");
  problem.causal = checked<Causal>("causal", from.causal, SUBQUAD_CAUSAL_BOTTOM_RIGHT);
  problem.window = {from.window_left, from.window_right,
                    from.window_bottom_right != 0 ? Alignment::bottom_right : Alignment::top_left};
  problem.mask = to_mask(from);
  problem.sink_logits =
      to_span("sink_logits", from.sink_logits, "num_sink_logits", from.num_sink_logits);
  problem.query_offsets =
      to_span("query_offsets", from.query_offsets, "num_offsets", from.num_offsets);
  problem.key_offsets = to_span("key_offsets", from.key_offsets, "num_offsets", from.num_offsets);
  return problem;
}

}  // namespace subquad::capi

extern "C" const char* subquad_last_error(void) { return subquad::capi::last_error.c_str(); }
