// What a GGUF file says before its data: metadata and the directory of tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/metadata.h"
#include "gguf/tensor_type.h"
#include "io/input.h"

namespace subquad::gguf {

struct TensorInfo {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::int64_t> shape;  // rows first, as in NumPy: the last index runs fastest
  std::uint64_t offset = 0;         // of its data, from the beginning of the file
  std::uint64_t bytes = 0;
};

struct Header {
  std::uint32_t version = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;
};

// Versions 2 and 3, little-endian. Every count, length and offset is checked against the file, the
// tensors' data lie inside it, aligned, and do not overlap; no key and no name appears twice.
// Throws Error (invalid_argument): file, key or tensor, what is wrong.
Header read_header(const io::Input& input, const io::Source& source);

}  // namespace subquad::gguf
