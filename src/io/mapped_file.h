// A read-only memory map of a whole regular file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/source.h"

namespace subquad::io {

// Whoever shrinks the file while it is mapped makes reads fail (SIGBUS), as with every memory map;
// replacing it by rename, as our writers do, is safe.
class MappedFile {
 public:
  MappedFile() = default;
  // Error (invalid_argument) for a missing, empty, unreadable or irregular file.
  MappedFile(const std::string& path, const Source& source);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace subquad::io
