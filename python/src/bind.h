// What module.cc puts together.
#pragma once

#include <nanobind/nanobind.h>

namespace subquad::python {

void bind_attention(nanobind::module_& module);
void bind_measures(nanobind::module_& module);
void bind_kernel_sums(nanobind::module_& module);
void bind_linear_state(nanobind::module_& module);
void bind_files(nanobind::module_& module);
void bind_info(nanobind::module_& module);

}  // namespace subquad::python
