// The header of a .npy array (NumPy Enhancement Proposal 1, format versions 1.0, 2.0 and 3.0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/source.h"
#include "subquad/io.h"

namespace subquad::io {

// Enough bytes to know how long the header is. Every valid array is longer.
constexpr std::size_t npy_prefix_bytes = 12;

// Longest header we accept, prefix included.
constexpr std::size_t npy_max_header_bytes = std::size_t{1} << 20;

struct NpyHeader {
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t data_bytes = 0;  // of the dense tensor that follows the header
  bool column_major = false;     // Fortran's order: the first index moves fastest
  bool big_endian = false;
};

// Offset of the data, from the first npy_prefix_bytes bytes.
std::size_t npy_data_offset(std::span<const std::byte> prefix, const Source& source);

// `header` ends where the data begins.
NpyHeader parse_npy_header(std::span<const std::byte> header, const Source& source);

// A version 1.0 header, padded so that its length is a multiple of 64.
// Error (invalid_argument) for bf16, which the format lacks.
std::string format_npy_header(const Tensor& tensor);

}  // namespace subquad::io
