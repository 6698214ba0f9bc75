#include "gguf/tensor_type.h"

#include <algorithm>
#include <iterator>

namespace subquad::gguf {
namespace {

constexpr TensorType numbered(std::uint32_t number) { return static_cast<TensorType>(number); }

// More than can be widened: a file's directory may hold any of them.
constexpr TypeTraits table[] = {
    {TensorType::f32, "F32", 1, 4},       {TensorType::f16, "F16", 1, 2},
    {TensorType::q4_0, "Q4_0", 32, 18},   {TensorType::q4_1, "Q4_1", 32, 20},
    {TensorType::q5_0, "Q5_0", 32, 22},   {TensorType::q5_1, "Q5_1", 32, 24},
    {TensorType::q8_0, "Q8_0", 32, 34},   {numbered(9), "Q8_1", 32, 36},
    {numbered(10), "Q2_K", 256, 84},      {numbered(11), "Q3_K", 256, 110},
    {TensorType::q4_k, "Q4_K", 256, 144}, {TensorType::q5_k, "Q5_K", 256, 176},
    {TensorType::q6_k, "Q6_K", 256, 210}, {numbered(15), "Q8_K", 256, 292},
    {numbered(16), "IQ2_XXS", 256, 66},   {numbered(17), "IQ2_XS", 256, 74},
    {numbered(18), "IQ3_XXS", 256, 98},   {numbered(19), "IQ1_S", 256, 50},
    {numbered(20), "IQ4_NL", 32, 18},     {numbered(21), "IQ3_S", 256, 110},
    {numbered(22), "IQ2_S", 256, 82},     {numbered(23), "IQ4_XS", 256, 136},
    {numbered(24), "I8", 1, 1},           {numbered(25), "I16", 1, 2},
    {numbered(26), "I32", 1, 4},          {numbered(27), "I64", 1, 8},
    {numbered(28), "F64", 1, 8},          {numbered(29), "IQ1_M", 256, 56},
    {TensorType::bf16, "BF16", 1, 2},     {numbered(34), "TQ1_0", 256, 54},
    {numbered(35), "TQ2_0", 256, 66},     {numbered(39), "MXFP4", 32, 17}};

}  // namespace

const TypeTraits* find_type(std::uint32_t number) {
  const auto* found = std::find_if(std::begin(table), std::end(table), [&](const TypeTraits& row) {
    return row.type == numbered(number);
  });
  return found == std::end(table) ? nullptr : found;
}

const TypeTraits& traits_of(TensorType type) {
  return *find_type(static_cast<std::uint32_t>(type));
}

}  // namespace subquad::gguf
