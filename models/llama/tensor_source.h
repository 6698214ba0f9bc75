// The named tensors of a checkpoint, whatever its format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "llama/weight_matrix.h"

namespace subquad::llama {

struct StoredTensor {
  WeightType type = WeightType::f32;
  std::vector<std::int64_t> shape;  // the last index runs fastest, a row is whole blocks
  const std::byte* data = nullptr;
};

class TensorSource {
 public:
  TensorSource() = default;
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;
  virtual ~TensorSource() = default;

  virtual std::vector<std::string> names() const = 0;
  // Reads one of names(); its data live as long as the source's storage. Error (invalid_argument)
  // naming file and tensor where its type cannot be widened.
  virtual StoredTensor read(const std::string& name) = 0;
  // Throws Error (invalid_argument): the file that has tensor `name`, or should, "tensor", what.
  [[noreturn]] virtual void fail(const std::string& name, const std::string& what) const = 0;
};

}  // namespace subquad::llama
