#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "io/input.h"

namespace subquad::io {
namespace {

std::string last_error() { return std::generic_category().message(errno); }

constexpr const char* changed = "was changed or cut short while it was being read";

// What the system says of the open file, which must be a regular one and not empty.
struct stat regular_file_status(const FileDescriptor& file, const Source& source) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) source.fail("file", "cannot read: " + last_error());
  if (S_ISDIR(status.st_mode)) source.fail("file", "is a directory");
  if (!S_ISREG(status.st_mode)) source.fail("file", "is not a regular file");
  if (status.st_size == 0) source.fail("file", "is empty");
  return status;
}

}  // namespace

// O_NONBLOCK: opening a FIFO must not wait for a writer.
FileInput::FileInput(const std::string& path, const Source& source)
    : source_(source), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!file_.valid()) source_.fail("file", "cannot open: " + last_error());
  opened_ = regular_file_status(file_, source_);
}

std::span<const std::byte> FileInput::bytes(std::uint64_t offset, std::uint64_t count,
                                            Storage& storage) const {
  const std::span<std::byte> copy = storage.allocate(count, source_);
  read(offset, copy);
  require_unchanged();
  return copy;
}

void FileInput::read(std::uint64_t offset, std::span<std::byte> to) const {
  constexpr std::size_t piece = std::size_t{1} << 30;
  while (!to.empty()) {
    const ::ssize_t got =
        ::pread(file_.get(), to.data(), std::min(piece, to.size()), static_cast<::off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_failed(source_.label() + ": file: cannot read: " + last_error());
    if (got == 0) source_.fail("file", changed);
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
}

void FileInput::require_unchanged() const {
  struct stat now {};
  if (::fstat(file_.get(), &now) != 0) source_.fail("file", "cannot read: " + last_error());
  const bool same = now.st_size == opened_.st_size &&
                    now.st_mtim.tv_sec == opened_.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == opened_.st_mtim.tv_nsec;
  if (!same) source_.fail("file", changed);
}

}  // namespace subquad::io
