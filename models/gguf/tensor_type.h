// The element types of GGUF tensors: names and block sizes.
#pragma once

#include <cstdint>

namespace subquad::gguf {

// The numbers that files store.
enum class TensorType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

struct TypeTraits {
  TensorType type;
  const char* name;            // "Q4_1"
  std::int64_t block_entries;  // 1 for plain types
  std::int64_t block_bytes;
};

// nullptr for a number that names no type.
const TypeTraits* find_type(std::uint32_t number);
// Of a type that find_type knows.
const TypeTraits& traits_of(TensorType type);

}  // namespace subquad::gguf
