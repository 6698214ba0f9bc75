// Typed access to the arguments of one part of a spec.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "parts/spec.h"
#include "subquad/error.h"

namespace subquad {
namespace {

[[noreturn]] void fail(const SpecPart& part, std::string_view key, const std::string& what) {
  throw_invalid(fmt::format("spec part '{}': {} {}", to_text(part), key, what));
}

// The whole text as a number; nothing when it is none or does not fit.
template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

std::int64_t parse_integer(const SpecPart& part, std::string_view key, const std::string& text,
                           std::int64_t low, std::int64_t high) {
  const auto value = parse_number<std::int64_t>(text);
  if (!value || *value < low || *value > high) {
    fail(part, key, fmt::format("= {} is not a whole number from {} to {}", text, low, high));
  }
  return *value;
}

// 2^30 is easier to read than 1073741824.
std::string bound_text(std::int64_t bound) {
  const auto bits = static_cast<std::uint64_t>(bound);
  if (bound < 4096 || !std::has_single_bit(bits)) return fmt::format("{}", bound);
  return fmt::format("2^{}", std::countr_zero(bits));
}

template <typename Number>
std::string range_text(Number low, Number high) {
  if constexpr (std::is_integral_v<Number>)
    return fmt::format("{} to {}", bound_text(low), bound_text(high));
  else
    return fmt::format("{} to {}", low, high);
}

}  // namespace

SpecReader::SpecReader(const SpecPart& part) : part_(part), used_(part.arguments.size(), false) {}

// The value given for the next declared parameter: by position, else by name.
const std::string* SpecReader::take(std::string_view key) {
  known_.emplace_back(key);
  const auto& arguments = part_.arguments;
  const std::size_t position = declared_++;
  const std::string* value = nullptr;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool by_position = arguments[i].key.empty() && i == position;
    if (!by_position && arguments[i].key != key) continue;
    if (value != nullptr) fail(part_, key, "is given twice");
    value = &arguments[i].value;
    used_[i] = true;
  }
  return value;
}

void SpecReader::describe(std::string_view key, std::string fallback, std::string range) {
  if (part_.described == nullptr) return;
  part_.described->push_back({std::string(key), std::move(fallback), std::move(range)});
}

std::int64_t SpecReader::integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                                 std::int64_t high) {
  describe(key, fmt::format("{}", fallback), range_text(low, high));
  const std::string* text = take(key);
  return text == nullptr ? fallback : parse_integer(part_, key, *text, low, high);
}

std::int64_t SpecReader::required_integer(std::string_view key, std::int64_t low,
                                          std::int64_t high) {
  const std::string* text = take(key);
  if (text == nullptr) fail(part_, key, "is required");
  return parse_integer(part_, key, *text, low, high);
}

double SpecReader::number(std::string_view key, double fallback, double low, double high) {
  describe(key, fmt::format("{}", fallback), range_text(low, high));
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  const auto value = parse_number<double>(*text);
  if (!value || !std::isfinite(*value) || *value < low || *value > high) {
    fail(part_, key, fmt::format("= {} is not a number from {} to {}", *text, low, high));
  }
  return *value;
}

bool SpecReader::boolean(std::string_view key, bool fallback) {
  static const std::vector<std::string> words{"false", "no", "off", "0", "true", "yes", "on", "1"};
  constexpr std::size_t first_true = 4;
  describe(key, fallback ? "true" : "false", "true, false");
  return take_choice(key, fallback ? first_true : 0, words) >= first_true;
}

std::size_t SpecReader::choice(std::string_view key, std::size_t fallback,
                               const std::vector<std::string>& choices) {
  describe(key, choices[fallback], fmt::format("{}", fmt::join(choices, ", ")));
  return take_choice(key, fallback, choices);
}

std::size_t SpecReader::take_choice(std::string_view key, std::size_t fallback,
                                    const std::vector<std::string>& choices) {
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  const auto it = std::find(choices.begin(), choices.end(), *text);
  if (it == choices.end()) {
    fail(part_, key, fmt::format("= {} is not one of {}", *text, fmt::join(choices, ", ")));
  }
  return static_cast<std::size_t>(it - choices.begin());
}

void SpecReader::finish() const {
  const auto unused = std::find(used_.begin(), used_.end(), false);
  if (unused == used_.end()) return;
  const auto& argument = part_.arguments[static_cast<std::size_t>(unused - used_.begin())];
  const std::string known =
      known_.empty() ? "it takes none" : fmt::format("known: {}", fmt::join(known_, ", "));
  const std::string what = argument.key.empty()
                               ? fmt::format("has too many arguments at '{}'", argument.value)
                               : fmt::format("has an unknown argument '{}'", argument.key);
  throw_invalid(fmt::format("spec part '{}' {} ({})", to_text(part_), what, known));
}

}  // namespace subquad
