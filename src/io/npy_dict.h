// The Python dictionary in the header of a .npy array.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/source.h"

namespace subquad::io {

struct NpyDict {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

// Accepts what NumPy writes: {'descr': 'string', 'fortran_order': True|False, 'shape': (n, ..)},
// the keys in any order, each exactly once, followed by white space. Error (invalid_argument)
// otherwise.
NpyDict parse_npy_dict(std::string_view text, const Source& source);

}  // namespace subquad::io
