// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>

#include "subquad/export.h"

namespace subquad {

// What went wrong, for callers that map errors to exit codes.
enum class ErrorKind {
  invalid_argument,  // the caller's input: shapes, values, specs, files (exit code 2)
  failed             // the computation or the system (exit code 1)
};

// One line that names the argument, tensor, field or file at fault.
class SUBQUAD_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

[[noreturn]] inline void throw_invalid(const std::string& message) {
  throw Error(ErrorKind::invalid_argument, message);
}
[[noreturn]] inline void throw_failed(const std::string& message) {
  throw Error(ErrorKind::failed, message);
}

}  // namespace subquad
