// Typed access to the keys of a JSON object that came from a file.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace subquad::models {

// Null counts as missing. Errors (invalid_argument) say "where: key: what".
class JsonKeys {
 public:
  // `json` must outlive this; Error that says `where` where it is no object.
  JsonKeys(const nlohmann::json& json, std::string where);

  bool has(const char* key) const { return find(key) != nullptr; }
  const nlohmann::json* find(const char* key) const;
  std::optional<std::int64_t> whole(const char* key) const;
  std::optional<double> number(const char* key) const;
  std::optional<bool> flag(const char* key) const;
  std::optional<std::string> text(const char* key) const;
  // An object inside; nothing where missing.
  std::optional<JsonKeys> object(const char* key) const;

  const nlohmann::json& json() const { return *json_; }
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const;

 private:
  const nlohmann::json* json_;
  std::string where_;
};

}  // namespace subquad::models
