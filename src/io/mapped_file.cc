#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "io/file_descriptor.h"

namespace subquad::io {
namespace {

std::string last_error() { return std::generic_category().message(errno); }

// Size of the open file, which must be a regular one and not empty.
std::size_t regular_file_size(const FileDescriptor& file, const Source& source) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) source.fail("file", "cannot read: " + last_error());
  if (S_ISDIR(status.st_mode)) source.fail("file", "is a directory");
  if (!S_ISREG(status.st_mode)) source.fail("file", "is not a regular file");
  if (status.st_size == 0) source.fail("file", "is empty");
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace

MappedFile::MappedFile(const std::string& path, const Source& source) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) source.fail("file", "cannot open: " + last_error());
  const std::size_t size = regular_file_size(file, source);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) source.fail("file", "cannot map: " + last_error());
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace subquad::io
