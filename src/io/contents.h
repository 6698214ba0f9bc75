// What a reader finds in a file: its tensors, which are read when they are asked for.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/input.h"
#include "io/source.h"
#include "io/storage.h"
#include "subquad/io.h"

namespace subquad::io {

// Readers accept and writers write at most this many dimensions.
constexpr std::size_t max_rank = 64;

struct Entry {
  std::string name;
  // Reads the tensor; its data lies in the input or in the storage. Error when it is no good.
  std::function<Tensor(Storage&)> read;
};

struct Contents {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// A valid address for tensors without elements, aligned for every element type.
const void* empty_data();

// Where a tensor of this type can use `data`: in place when aligned, else in a copy.
const void* place(std::span<const std::byte> data, ElementType type, Storage& storage,
                  const Source& source);

// The readers of the three formats. `input` must outlive the contents. Throw Error.
// A .npy tensor is called `name`.
Contents read_npy(const Input& input, const std::string& name, const Source& source);
Contents read_npz(const Input& input, const Source& source);
Contents read_safetensors(const Input& input, const Source& source);

// The .npy array that `bytes` are, read into `raw` where they are a copy. What cannot be used in
// place is copied into `storage`; else `storage` keeps `raw`.
Tensor parse_npy(std::span<const std::byte> bytes, Storage raw, const std::string& name,
                 Storage& storage, const Source& source);

}  // namespace subquad::io
