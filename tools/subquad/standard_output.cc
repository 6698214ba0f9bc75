#include "standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "subquad/error.h"

namespace subquad::cli {
namespace {

[[noreturn]] void fail_stdout(int reason) {
  const std::string why = reason == 0 ? "" : ": " + std::generic_category().message(reason);
  throw_failed("cannot write to standard output" + why);
}

}  // namespace

void hold_standard_streams() {
  // For stdout and stderr a file that cannot be written: printing fails as it should.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0)
      (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void flush_stdout() {
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_stdout(errno);
}

void finish_stdout() {
  flush_stdout();
  // Some file systems report a write that failed only when the file is closed.
  const int copy = ::dup(STDOUT_FILENO);
  if (copy >= 0 && ::close(copy) != 0) fail_stdout(errno);
}

}  // namespace subquad::cli
