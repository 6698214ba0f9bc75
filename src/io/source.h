// Where a reader is, for its error messages: the file, and inside it the member.
#pragma once

#include <string>
#include <string_view>

#include "subquad/error.h"

namespace subquad::io {

class Source {
 public:
  explicit Source(std::string label) : label_(std::move(label)) {}

  const std::string& label() const { return label_; }

  // The part of this source called `part`: messages begin with both.
  Source inside(const std::string& part) const { return Source(label_ + ": " + part); }

  // Throws Error (invalid_argument): "label: field: what".
  [[noreturn]] void fail(std::string_view field, const std::string& what) const {
    throw_invalid(label_ + ": " + std::string(field) + ": " + what);
  }

 private:
  std::string label_;
};

}  // namespace subquad::io
