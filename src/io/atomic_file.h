// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/file_descriptor.h"

namespace subquad::io {

// Writes go to a file without a name, or under a temporary one in the folder of `path`; commit()
// makes it `path`. Destroyed without commit, it leaves no trace and an existing file as it was. A
// symbolic link is followed, an existing file's permissions are kept.
class AtomicFile {
 public:
  // Error (invalid_argument) where no file can be made, or `path` is something else than a file.
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Error (failed) when the system cannot write, e.g. on a full disk.
  void write(std::span<const std::byte> bytes);
  // After the last write: the bytes are on the disk, or an Error says why not.
  void sync();
  // After sync().
  void commit();

 private:
  [[noreturn]] void fail(const char* step) const;

  std::string path_;       // as given, for messages
  std::string target_;     // absolute, links followed
  std::string temporary_;  // empty where the file has no name, and once it has its own
  FileDescriptor file_;
};

}  // namespace subquad::io
