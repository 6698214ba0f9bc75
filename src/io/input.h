// The bytes that a reader reads: a file, or memory that the caller keeps alive.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "io/file_descriptor.h"
#include "io/source.h"
#include "io/storage.h"

namespace subquad::io {

class Input {
 public:
  Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input() = default;

  virtual std::uint64_t size() const = 0;
  // The `count` bytes from `offset`, all of which must be inside: in place, or a copy in `storage`.
  virtual std::span<const std::byte> bytes(std::uint64_t offset, std::uint64_t count,
                                           Storage& storage) const = 0;
};

class MemoryInput final : public Input {
 public:
  explicit MemoryInput(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  std::span<const std::byte> bytes(std::uint64_t offset, std::uint64_t count,
                                   Storage&) const override {
    return bytes_.subspan(offset, count);
  }

 private:
  std::span<const std::byte> bytes_;
};

// Reads copies, not through a memory map: whoever cuts the file short meanwhile would end a process
// that has mapped it (SIGBUS). Here it is an Error, as is any change of its size or time of
// modification since it was opened. Replacing the file by rename, as our writers do, is safe.
class FileInput final : public Input {
 public:
  // Error (invalid_argument) for a missing, empty, unreadable or irregular file.
  FileInput(const std::string& path, const Source& source);
  std::uint64_t size() const override { return static_cast<std::uint64_t>(opened_.st_size); }
  std::span<const std::byte> bytes(std::uint64_t offset, std::uint64_t count,
                                   Storage& storage) const override;

 private:
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  void require_unchanged() const;

  Source source_;
  FileDescriptor file_;
  struct stat opened_ {};
};

}  // namespace subquad::io
