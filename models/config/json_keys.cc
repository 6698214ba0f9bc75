#include "config/json_keys.h"

#include <limits>
#include <utility>

#include "io/text.h"
#include "subquad/error.h"

namespace subquad::models {

JsonKeys::JsonKeys(const nlohmann::json& json, std::string where)
    : json_(&json), where_(std::move(where)) {
  if (!json.is_object()) throw_invalid(where_ + ": is not a JSON object");
}

void JsonKeys::fail(const std::string& key, const std::string& what) const {
  throw_invalid(where_ + ": " + io::printable(key) + ": " + what);
}

const nlohmann::json* JsonKeys::find(const char* key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> JsonKeys::whole(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) fail(key, "must be a whole number");
  const bool large =
      value->is_number_unsigned() &&
      value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (large) fail(key, "is too large");
  return value->get<std::int64_t>();
}

std::optional<double> JsonKeys::number(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail(key, "must be a number");
  return value->get<double>();
}

std::optional<bool> JsonKeys::flag(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail(key, "must be true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonKeys::text(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(key, "must be a string");
  return value->get<std::string>();
}

std::optional<JsonKeys> JsonKeys::object(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return JsonKeys(*value, where_ + ": " + key);
}

}  // namespace subquad::models
