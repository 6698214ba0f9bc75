#include "float_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <vector>

#include "subquad/error.h"

namespace subquad::cli {
namespace {

float narrowed(double value, const std::string& where) {
  if (std::isfinite(value) && std::abs(value) > std::numeric_limits<float>::max())
    throw_invalid(fmt::format("{}: holds {}, which f32 cannot hold", where, value));
  return static_cast<float>(value);
}

std::shared_ptr<const void> f32_from_f64(const io::Tensor& tensor, const std::string& where) {
  const auto* first = static_cast<const double*>(tensor.data);
  auto values = std::make_shared<std::vector<float>>(static_cast<std::size_t>(tensor.count()));
  for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] = narrowed(first[i], where);
  return {values, values->data()};
}

}  // namespace

FloatTensor as_floats(const io::Tensor& tensor, const std::string& where) {
  switch (tensor.type) {
    case io::ElementType::f32:
      return {tensor.data, DType::f32, nullptr};
    case io::ElementType::bf16:
      return {tensor.data, DType::bf16, nullptr};
    case io::ElementType::f16:
      return {tensor.data, DType::f16, nullptr};
    case io::ElementType::f64: {
      const std::shared_ptr<const void> values = f32_from_f64(tensor, where);
      return {values.get(), DType::f32, values};
    }
    default:
      throw_invalid(fmt::format("{}: holds {}; f32, bf16, f16 or f64 is needed", where,
                                io::name_of(tensor.type)));
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

}  // namespace subquad::cli
