// An open GGUF file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gguf/header.h"
#include "io/input.h"
#include "io/storage.h"

namespace subquad::gguf {

// The header is read when the file is opened, a tensor when it is asked for: a copy, so that what
// happens to the file later does not touch it. A file that was cut short or changed in between is
// an Error.
class File {
 public:
  // Throws Error (invalid_argument; failed where the system cannot read).
  static File open(const std::string& path);
  // The same from memory that the caller keeps alive. `label` stands for the path.
  static File parse(std::span<const std::byte> bytes, const std::string& label);

  const std::string& label() const { return header_->metadata.label(); }
  const Metadata& metadata() const { return header_->metadata; }
  const std::vector<TensorInfo>& tensors() const { return header_->tensors; }
  const TensorInfo* find(const std::string& name) const;
  // The tensor's bytes: those parsed, or a copy in `storage` (64-byte aligned).
  std::span<const std::byte> read(const TensorInfo& tensor, io::Storage& storage) const;

 private:
  File(std::unique_ptr<io::Input> input, const std::string& label);

  std::unique_ptr<io::Input> input_;
  std::unique_ptr<const Header> header_;
};

}  // namespace subquad::gguf
