// What every reader must keep, whatever the bytes: an Error of one line, or tensors that are sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "io/contents.h"
#include "io/writers.h"
#include "subquad/error.h"

namespace subquad::io {

using Reader = std::function<Contents(std::span<const std::byte>, const Source&)>;

// abort() is how libFuzzer learns of a broken promise.
inline void require(bool promise) {
  if (!promise) std::abort();
}

// Every tensor is readable to its last byte and aligned.
inline void check_tensors(const Contents& contents) {
  for (const Tensor& tensor : contents.tensors) {
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
    require(address != 0 && address % static_cast<std::uintptr_t>(size_of(tensor.type)) == 0);
    std::uint8_t sum = 0;
    for (const std::byte value : data_of(tensor)) sum ^= static_cast<std::uint8_t>(value);
    volatile std::uint8_t keep = sum;
    (void)keep;
  }
}

inline void require_equal(const Contents& a, const Contents& b) {
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

// Reads the input; what was accepted is written by `write` and must read back equal.
inline void fuzz_reader(std::span<const std::byte> input, const Reader& read,
                        const std::function<void(const Contents&, const Sink&)>& write) {
  const Source source("input");
  Contents contents;
  if (!succeeds([&] { contents = read(input, source); })) return;
  check_tensors(contents);
  std::vector<std::byte> written;
  write(contents, [&](std::span<const std::byte> bytes) {
    written.insert(written.end(), bytes.begin(), bytes.end());
  });
  const Contents again = read(written, source);
  require_equal(contents, again);
}

}  // namespace subquad::io
