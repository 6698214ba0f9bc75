// Memory that tensors point into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/source.h"

namespace subquad::io {

class Storage {
 public:
  // Uninitialised, aligned to 64 bytes; lives as long as the Storage. Error (failed) when there is
  // none.
  std::span<std::byte> allocate(std::uint64_t size, const Source& source);
  // Takes over what `other` holds.
  void keep(Storage other);

 private:
  struct Release {
    void operator()(std::byte* block) const;
  };

  std::vector<std::unique_ptr<std::byte, Release>> blocks_;
};

}  // namespace subquad::io
