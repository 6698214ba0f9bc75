// The writers of the three formats: bytes in order, to wherever they go.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "subquad/io.h"

namespace subquad::io {

using Sink = std::function<void(std::span<const std::byte>)>;
using Metadata = std::map<std::string, std::string>;

// Tensors must be valid (see require_writable). Throw Error and whatever the sink throws.
void write_npy(const Tensor& tensor, const Sink& sink);
void write_npz(std::span<const Tensor> tensors, const Sink& sink);
void write_safetensors(std::span<const Tensor> tensors, const Metadata& metadata, const Sink& sink);

// Error (invalid_argument) for names that repeat or are not UTF-8, shapes that are negative, too
// large or of too many dimensions, and tensors with elements but without data.
void require_writable(std::span<const Tensor> tensors);

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::span<const std::byte> data_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.data), static_cast<std::size_t>(tensor.bytes())};
}

}  // namespace subquad::io
