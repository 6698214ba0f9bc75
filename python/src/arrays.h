// Arrays of Python (NumPy's, or any CPU tensor by DLPack or the buffer protocol) as views: no copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "subquad/subquad.hpp"

namespace subquad::python {

namespace nb = nanobind;

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Target = nb::ndarray<nb::device::cpu>;  // what is written

// f32, f16, bf16. NumPy has no bf16: the package hands its bits over as unsigned 16-bit integers,
// and lets no other integers through.
DType dtype_of(const char* name, nb::dlpack::dtype type);

// (.., position, channel): of 2 to 4 dimensions; those that are missing in front have extent 1.
TensorView tensor_of(const char* name, const Array& array);
MutableTensorView tensor_of(const char* name, const Target& array);

// (.., position): of 1 to 3 dimensions, a value a row.
TensorView rows_of(const char* name, const Array& array);
MutableTensorView rows_of(const char* name, const Target& array);

// Boolean or f32, of 2 to 4 dimensions (.., Lq, Lk).
Mask mask_of(const Array& array);

}  // namespace subquad::python
