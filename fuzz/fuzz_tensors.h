// What every reader must keep, whatever the bytes: an Error of one line, or tensors that are sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/contents.h"
#include "io/writers.h"
#include "subquad/error.h"

namespace subquad::io {

using Reader = std::function<Contents(const Input&, const Source&)>;

// The tensors of an input that can be read, and their memory.
struct Loaded {
  Storage storage;
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// abort() is how libFuzzer learns of a broken promise.
inline void require(bool promise) {
  if (!promise) std::abort();
}

// Every tensor is readable to its last byte and aligned.
inline void check_tensors(const Loaded& loaded) {
  for (const Tensor& tensor : loaded.tensors) {
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
    require(address != 0 && address % static_cast<std::uintptr_t>(size_of(tensor.type)) == 0);
    std::uint8_t sum = 0;
    for (const std::byte value : data_of(tensor)) sum ^= static_cast<std::uint8_t>(value);
    volatile std::uint8_t keep = sum;
    (void)keep;
  }
}

inline void require_equal(const Loaded& a, const Loaded& b) {
  require(a.tensors.size() == b.tensors.size() && a.metadata == b.metadata);
  for (const Tensor& left : a.tensors) {
    bool found = false;
    for (const Tensor& right : b.tensors) {
      if (left.name != right.name) continue;
      found = left.type == right.type && left.shape == right.shape &&
              std::memcmp(left.data, right.data, data_of(left).size()) == 0;
    }
    require(found);
  }
}

// Runs `use`; an Error must be one line that names the input.
inline bool succeeds(const std::function<void()>& use) {
  try {
    use();
    return true;
  } catch (const Error& error) {
    const std::string line = error.what();
    require(line.starts_with("input: ") && line.find('\n') == std::string::npos);
    return false;
  }
}

// What the reader accepts; a tensor that it refuses is an Error of its own.
inline Loaded load(const Input& input, const Reader& read) {
  const Source source("input");
  Contents contents;
  Loaded loaded;
  if (!succeeds([&] { contents = read(input, source); })) return loaded;
  for (const Entry& entry : contents.entries) {
    succeeds([&] { loaded.tensors.push_back(entry.read(loaded.storage)); });
  }
  loaded.metadata = std::move(contents.metadata);
  return loaded;
}

// Reads the input; what was accepted is written by `write` and must read back equal.
inline void fuzz_reader(std::span<const std::byte> bytes, const Reader& read,
                        const std::function<void(const Loaded&, const Sink&)>& write) {
  const MemoryInput input(bytes);
  const Loaded loaded = load(input, read);
  if (loaded.tensors.empty()) return;
  check_tensors(loaded);
  std::vector<std::byte> written;
  write(loaded, [&](std::span<const std::byte> piece) {
    written.insert(written.end(), piece.begin(), piece.end());
  });
  const MemoryInput again(written);
  require_equal(loaded, load(again, read));
}

}  // namespace subquad::io
