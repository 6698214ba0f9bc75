// Elements of .npy arrays in another order than ours.
#pragma once

#include <cstddef>
#include <span>

#include "io/npy_header.h"
#include "io/storage.h"

namespace subquad::io {

// Where a Tensor can use the elements, row-major and little-endian: in place where they are so
// already and aligned, else in a copy in `storage`.
const void* plain_data(const NpyHeader& header, std::span<const std::byte> data, Storage& storage,
                       const Source& source);

}  // namespace subquad::io
