// What a reader makes of the bytes of a file.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/source.h"
#include "subquad/io.h"

namespace subquad::io {

// Readers accept and writers write at most this many dimensions.
constexpr std::size_t max_rank = 64;

struct Contents {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<std::unique_ptr<std::byte[]>> owned;  // data of tensors that the file cannot serve

  // Uninitialised memory aligned for every element type. Error (failed) when there is none.
  std::span<std::byte> allocate(std::size_t size, const Source& source);

  // Where a tensor of this type can use `data`: in place when aligned, else in a copy.
  const void* place(std::span<const std::byte> data, ElementType type, const Source& source);
};

// A valid address for tensors without elements, aligned for every element type.
const void* empty_data();

// The readers of the three formats. `bytes` must outlive the contents. Throw Error.
// A .npy tensor is called `name`.
Contents read_npy(std::span<const std::byte> bytes, const std::string& name, const Source& source);
Contents read_npz(std::span<const std::byte> bytes, const Source& source);
Contents read_safetensors(std::span<const std::byte> bytes, const Source& source);

}  // namespace subquad::io
