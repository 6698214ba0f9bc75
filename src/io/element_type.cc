// The element types of tensor files and the size of a tensor.
#include <array>

#include <fmt/format.h>

#include "io/checked.h"
#include "io/text.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::io {
namespace {

struct TypeEntry {
  const char* name;
  std::int64_t size;
};

// In the order of ElementType.
constexpr std::array<TypeEntry, 13> type_table{{{"bool", 1},
                                                {"u8", 1},
                                                {"i8", 1},
                                                {"u16", 2},
                                                {"i16", 2},
                                                {"u32", 4},
                                                {"i32", 4},
                                                {"u64", 8},
                                                {"i64", 8},
                                                {"f16", 2},
                                                {"bf16", 2},
                                                {"f32", 4},
                                                {"f64", 8}}};
static_assert(type_table.size() == static_cast<std::size_t>(ElementType::f64) + 1);

const TypeEntry& entry_of(ElementType type) {
  const auto index = static_cast<std::size_t>(type);
  if (index >= type_table.size()) throw_invalid(fmt::format("unknown element type {}", index));
  return type_table[index];
}

}  // namespace

std::int64_t size_of(ElementType type) { return entry_of(type).size; }

const char* name_of(ElementType type) { return entry_of(type).name; }

std::int64_t Tensor::bytes() const {
  const auto total = dense_bytes(shape, size_of(type));
  if (!total)
    throw_invalid(fmt::format("tensor {}: shape: negative or too large", in_quotes(name)));
  return *total;
}

std::int64_t Tensor::count() const { return bytes() / size_of(type); }

}  // namespace subquad::io
