#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "io/temporary_file.h"
#include "io/text.h"
#include "subquad/error.h"

namespace subquad::io {
namespace {

namespace fs = std::filesystem;

std::string last_error() { return std::generic_category().message(errno); }

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw_invalid(fmt::format("{}: cannot write: {}", printable(path), reason));
}

// Whether the path is at fault, not the system.
bool is_users(int reason) {
  for (const int own : {ENOENT, ENOTDIR, EISDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EROFS})
    if (reason == own) return true;
  return false;
}

// Follows symbolic links whose end does not exist, too.
fs::path followed(fs::path path, std::error_code& error) {
  constexpr int longest_chain = 40;  // as in the kernel
  for (int i = 0; i < longest_chain && !error; ++i) {
    path = fs::weakly_canonical(path, error);
    if (error || !fs::is_symlink(fs::symlink_status(path))) return path;
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  if (!error) error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
  return path;
}

// The absolute path of the file to replace, symbolic links followed.
std::string resolved(const std::string& path) {
  if (path.empty()) throw_invalid("output path is empty");
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  const fs::path target = error ? fs::path() : followed(absolute, error);
  if (error) refuse(path, error.message());
  // A trailing slash names a folder: keep it, so that the open fails.
  return fs::path(path).has_filename() ? target.string() : target.string() + "/";
}

// Only a regular file may be in the way, and a name that no file can have fails now, not at the
// end.
void require_replaceable(const std::string& path, const std::string& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno != ENOENT) refuse(path, last_error());
    return;
  }
  if (S_ISREG(status.st_mode)) return;
  refuse(path, S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
}

// Makes the new name durable. Some file systems cannot sync a folder: the file is whole all the
// same.
void sync_folder(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid()) (void)::fsync(directory.get());
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(resolved(path)), file_(-1) {
  require_replaceable(path_, target_);
  file_ = create_unplaced(target_, temporary_);
  if (!file_.valid()) is_users(errno) ? refuse(path_, last_error()) : fail("create");
  struct stat status {};
  if (::stat(target_.c_str(), &status) == 0) (void)::fchmod(file_.get(), status.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) remove_temporary(temporary_);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t piece = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const ::ssize_t written = ::write(file_.get(), bytes.data(), std::min(piece, bytes.size()));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::sync() {
  if (::fsync(file_.get()) != 0) fail("sync");
}

void AtomicFile::commit() {
  if (!put_in_place(file_, temporary_, target_)) fail("rename");
  temporary_.clear();
  sync_folder(target_);
}

void AtomicFile::fail(const char* step) const {
  throw_failed(fmt::format("{}: cannot {}: {}", printable(path_), step, last_error()));
}

}  // namespace subquad::io
