#include "io/temporary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::io {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<std::string> temporaries;  // that exist
  bool abandoned = false;
};

// Never destroyed: a thread may abandon files while main() returns.
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

std::unique_lock<std::mutex> lock_names() {
  std::unique_lock lock(registry().mutex);
  if (registry().abandoned) throw_failed("the program is ending: no file is written");
  return lock;
}

std::string link_of(const FileDescriptor& file) {
  return fmt::format("/proc/self/fd/{}", file.get());
}

// A file without a name that can be given one later; not valid where there is no such thing.
FileDescriptor create_nameless(const std::string& target) {
  const std::filesystem::path folder = std::filesystem::path(target).parent_path();
  FileDescriptor file(::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666));
  if (file.valid() && ::access(link_of(file).c_str(), F_OK) != 0) return FileDescriptor(-1);
  return file;
}

// Calls create(name) with names beside `target` until one of them is new; the name, or nothing
// where it fails for another reason.
template <typename Create>
std::string with_new_name(const std::string& target, const Create& create) {
  constexpr int attempts = 1000;
  constexpr std::size_t longest = 200;  // bytes; leaves room for what is appended
  const std::filesystem::path path = target;
  const std::string start = path.parent_path() / path.filename().string().substr(0, longest);
  for (int i = 0; i < attempts; ++i) {
    const std::string name = fmt::format("{}.{}-{}.tmp", start, ::getpid(), i);
    if (create(name)) return name;
    if (errno != EEXIST) break;
  }
  return {};
}

bool link_as(const FileDescriptor& file, const std::string& name) {
  return ::linkat(AT_FDCWD, link_of(file).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

bool rename_or_remove(const std::string& temporary, const std::string& target) {
  if (::rename(temporary.c_str(), target.c_str()) == 0) return true;
  const int reason = errno;
  (void)::unlink(temporary.c_str());
  errno = reason;
  return false;
}

}  // namespace

FileDescriptor create_unplaced(const std::string& target, std::string& temporary) {
  {
    const auto lock = lock_names();
    FileDescriptor file = create_nameless(target);
    if (file.valid()) return file;
  }
  return create_named(target, temporary);
}

// O_EXCL makes the choice of a name safe; the umask gives the permissions.
FileDescriptor create_named(const std::string& target, std::string& temporary) {
  const auto lock = lock_names();
  FileDescriptor file(-1);
  temporary = with_new_name(target, [&](const std::string& name) {
    file = FileDescriptor(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    return file.valid();
  });
  if (file.valid()) registry().temporaries.insert(temporary);
  return file;
}

bool put_in_place(const FileDescriptor& file, const std::string& temporary,
                  const std::string& target) {
  const auto lock = lock_names();
  if (!temporary.empty()) {
    registry().temporaries.erase(temporary);
    return rename_or_remove(temporary, target);
  }
  if (link_as(file, target)) return true;
  if (errno != EEXIST) return false;
  // A link replaces nothing, a renaming does.
  const std::string name =
      with_new_name(target, [&](const std::string& free) { return link_as(file, free); });
  return !name.empty() && rename_or_remove(name, target);
}

void remove_temporary(const std::string& temporary) noexcept {
  const std::lock_guard lock(registry().mutex);
  if (registry().temporaries.erase(temporary) > 0) (void)::unlink(temporary.c_str());
}

void abandon_files() noexcept {
  const std::lock_guard lock(registry().mutex);
  registry().abandoned = true;
  for (const std::string& path : registry().temporaries) (void)::unlink(path.c_str());
  registry().temporaries.clear();
}

}  // namespace subquad::io
