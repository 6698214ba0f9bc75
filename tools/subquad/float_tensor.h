// Tensors of files as the library takes them.
#pragma once

#include <memory>
#include <string>

#include "subquad/io.h"
#include "subquad/tensor.h"

namespace subquad::cli {

struct FloatTensor {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::shared_ptr<const void> storage;  // of converted values; else `data` is the file's
  bool converted() const { return storage != nullptr; }
};

// f32, bf16 and f16 as they are; f64 converted to f32. Throws Error that begins with `where`: other
// types, and values that f32 cannot hold.
FloatTensor as_floats(const io::Tensor& tensor, const std::string& where);

// The shape as Python writes it: "(2, 40, 8)".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace subquad::cli
