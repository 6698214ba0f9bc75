// How safetensors spells the element types.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "subquad/io.h"

namespace subquad::io {

// In the order of ElementType.
constexpr std::array<std::string_view, 13> safetensors_type_names{
    "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64"};

constexpr std::string_view safetensors_name(ElementType type) {
  return safetensors_type_names[static_cast<std::size_t>(type)];
}

constexpr std::optional<ElementType> safetensors_type(std::string_view name) {
  for (std::size_t i = 0; i < safetensors_type_names.size(); ++i) {
    if (safetensors_type_names[i] == name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

}  // namespace subquad::io
