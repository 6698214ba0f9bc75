// The end of a zip archive: where its central directory is.
#pragma once

#include <cstdint>

#include "io/input.h"
#include "io/source.h"

namespace subquad::io {

struct ZipEnd {
  std::uint64_t entries = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t directory_offset = 0;
};

// The directory is checked to lie in the file and to end where the end record begins, and to be
// large enough for its entries.
ZipEnd read_zip_end(const Input& input, const Source& source);

}  // namespace subquad::io
