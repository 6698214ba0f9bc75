// A metadata value of a GGUF file.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace subquad::gguf {

// Numbers in the widest type of their kind, which holds every stored one exactly: u8 .. u64, i8 ..
// i64, f32 and f64. Arrays of one kind; arrays of arrays are refused.
using Value = std::variant<std::uint64_t, std::int64_t, double, bool, std::string,
                           std::vector<std::uint64_t>, std::vector<std::int64_t>,
                           std::vector<double>, std::vector<bool>, std::vector<std::string>>;

}  // namespace subquad::gguf
