// What the functions of the C interface share: exceptions to codes, C structs to views.
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "core/checks.h"
#include "core/region.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/problem.h"
#include "subquad/subquad.h"

namespace subquad::capi {

// Keeps the exception's text for subquad_last_error(). Call while it is being handled.
subquad_status status_of_exception() noexcept;

// Runs function(), turning exceptions into codes.
template <typename Function>
subquad_status guarded(const Function& function) noexcept {
  try {
    function();
    return SUBQUAD_OK;
  } catch (...) {
    return status_of_exception();
  }
}

// The pointer's target. Throws Error (invalid_argument) with the argument's name where it is NULL,
// as all below do.
template <typename T>
T& required(const char* name, T* pointer) {
  if (pointer == nullptr) throw_invalid(std::string(name) + ": is NULL");
  return *pointer;
}
std::string_view required_text(const char* name, const char* text);

// A pointer and its count come together.
void check_pair(const char* name, const void* pointer, const char* count_name, std::int64_t count);
template <typename T>
std::span<const T> to_span(const char* name, const T* entries, const char* count_name,
                           std::int64_t count) {
  check_pair(name, entries, count_name, count);
  const std::span<const T> list{entries, static_cast<std::size_t>(count)};
  check_span(name, list);
  return list;
}
// One that may be empty without being absent: then the pointer does not matter.
template <typename T>
std::span<const T> to_list(const char* name, const T* entries, const char* count_name,
                           std::int64_t count) {
  return to_span(name, count == 0 ? nullptr : entries, count_name, count);
}

// For lists whose length nothing else tells: no more than anyone would give.
void check_count(const char* count_name, std::int64_t count, std::int64_t most);

// batch * heads of a view.
std::int64_t heads_of(const char* name, const TensorView& view);

// A list of the caller's that a call writes.
struct NumberList {
  const char* name;
  double* numbers;
  const char* count_name;
  std::int64_t count;
};
// It must have room for just so many, and share memory with nothing that the call reads.
std::span<double> to_numbers(const NumberList& list, std::int64_t wanted,
                             std::span<const Region> inputs);

// A tensor that the call needs, and one that may be NULL: then the view has no data. A tensor that
// is there must have data, unless it has no elements.
TensorView to_view(const char* name, const subquad_tensor* tensor);
MutableTensorView to_target(const char* name, const subquad_tensor* tensor);
TensorView optional_view(const char* name, const subquad_tensor* tensor);
MutableTensorView optional_target(const char* name, const subquad_tensor* tensor);

Outputs to_outputs(const subquad_tensor* out, const subquad_tensor* lse,
                   const subquad_tensor* row_error);
Problem to_problem(const subquad_problem* from);

}  // namespace subquad::capi
