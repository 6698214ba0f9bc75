// Memory that tensors point into. A copy shares it.
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
  // Uninitialised, aligned to 64 bytes; lives as long as the Storage and
  // its copies. Error (failed) when there is none.
  std::span<std::byte> allocate(std::uint64_t size, const Source& source);
  // Shares what `other` holds.
  void keep(Storage other);

 private:
  std::vector<std::shared_ptr<std::byte>> blocks_;
};

}  // namespace subquad::io
