// The metadata of a GGUF file by key, with typed access.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/value.h"

namespace subquad::gguf {

class Metadata {
 public:
  explicit Metadata(std::string label) : label_(std::move(label)) {}

  // False where the key is there already.
  bool add(const std::string& key, Value value);
  bool has(const std::string& key) const { return values_.contains(key); }
  const Value* find(const std::string& key) const;
  const std::map<std::string, Value>& values() const { return values_; }
  const std::string& label() const { return label_; }

  // Nothing where the key is missing; Error (invalid_argument) naming file and key where its value
  // is of another kind.
  std::optional<std::int64_t> whole(const std::string& key) const;  // any integer that fits
  std::optional<double> number(const std::string& key) const;       // any finite number
  std::optional<bool> flag(const std::string& key) const;
  std::optional<std::string> text(const std::string& key) const;
  // nullptr where missing.
  const std::vector<std::string>* texts(const std::string& key) const;
  // Empty where missing.
  std::vector<double> numbers(const std::string& key) const;

  // Throws Error (invalid_argument): "label: key: what".
  [[noreturn]] void fail(std::string_view key, const std::string& what) const;

 private:
  std::string label_;
  std::map<std::string, Value> values_;
};

}  // namespace subquad::gguf
