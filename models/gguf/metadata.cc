#include "gguf/metadata.h"

#include <cmath>
#include <limits>
#include <utility>

#include "io/text.h"
#include "subquad/error.h"

namespace subquad::gguf {

bool Metadata::add(const std::string& key, Value value) {
  return values_.emplace(key, std::move(value)).second;
}

const Value* Metadata::find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void Metadata::fail(std::string_view key, const std::string& what) const {
  throw_invalid(label_ + ": " + io::printable(key.substr(0, 200)) + ": " + what);
}

std::optional<std::int64_t> Metadata::whole(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
  const auto* number = std::get_if<std::uint64_t>(value);
  if (number == nullptr) fail(key, "is not a whole number");
  if (*number > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    fail(key, std::to_string(*number) + " is too large");
  return static_cast<std::int64_t>(*number);
}

std::optional<double> Metadata::number(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* real = std::get_if<double>(value)) {
    if (!std::isfinite(*real)) fail(key, "is not finite");
    return *real;
  }
  if (const auto* number = std::get_if<std::uint64_t>(value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::int64_t>(value)) return static_cast<double>(*number);
  fail(key, "is not a number");
}

std::optional<bool> Metadata::flag(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!std::holds_alternative<bool>(*value)) fail(key, "is neither true nor false");
  return std::get<bool>(*value);
}

std::optional<std::string> Metadata::text(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!std::holds_alternative<std::string>(*value)) fail(key, "is not a text");
  return std::get<std::string>(*value);
}

const std::vector<std::string>* Metadata::texts(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* list = std::get_if<std::vector<std::string>>(value);
  if (list == nullptr) fail(key, "is not a list of texts");
  return list;
}

std::vector<double> Metadata::numbers(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<double>>(value)) return *list;
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(value))
    return {list->begin(), list->end()};
  if (const auto* list = std::get_if<std::vector<std::uint64_t>>(value))
    return {list->begin(), list->end()};
  fail(key, "is not a list of numbers");
}

}  // namespace subquad::gguf
