// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/file_descriptor.h"

namespace subquad::io {

// Writes go to a temporary file in the folder of `path`; commit() syncs it and renames it to
// `path`. Destroyed without commit, it leaves no trace and an existing file as it was. A symbolic
// link is followed, an existing file's permissions are kept.
class AtomicFile {
 public:
  // Error (invalid_argument) where no file can be made, or `path` is something else than a file.
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Error (failed) when the system cannot write, e.g. on a full disk.
  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* step) const;

  std::string path_;       // as given, for messages
  std::string target_;     // absolute, links followed
  std::string temporary_;  // empty once renamed
  FileDescriptor file_;
};

}  // namespace subquad::io
