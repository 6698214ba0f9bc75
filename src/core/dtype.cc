#include "subquad/tensor.h"

namespace subquad {

const char* name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    default:
      return "f16";
  }
}

}  // namespace subquad
