#include "numbers.h"

#include <cmath>
#include <limits>
#include <optional>

namespace subquad::cli {
namespace {

// The whole word as a finite number.
std::optional<double> finite(const std::string& word) {
  double value = 0;
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

float finite_number(const std::string& word, const std::string& where) {
  const std::optional<double> value = finite(word);
  if (!value) throw_invalid(fmt::format("{}: '{}' is not a finite number", where, word));
  const double size = std::abs(*value);
  if (size > std::numeric_limits<float>::max() || (size > 0 && static_cast<float>(size) == 0)) {
    throw_invalid(fmt::format("{}: '{}' is out of the range of a float", where, word));
  }
  return static_cast<float>(*value);
}

double positive_number(const std::string& word, const std::string& where) {
  const std::optional<double> value = finite(word);
  if (!value || *value <= 0) {
    throw_invalid(fmt::format("{}: '{}' is not a finite number above 0", where, word));
  }
  return *value;
}

}  // namespace subquad::cli
