#include <cmath>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_file.h"
#include "subquad/error.h"
#include "vit/weights.h"

namespace subquad::vit {
namespace {

using Json = nlohmann::json;

// An object of the file, with errors that name the file and the key.
struct Section {
  const std::string& path;
  const Json& json;

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw_invalid(fmt::format("{}: {}: {}", path, key, what));
  }
  bool has(const char* key) const { return json.contains(key) && !json[key].is_null(); }
  double number(const char* key, double low, double high) const {
    const Json& value = json[key];
    if (!value.is_number()) fail(key, "must be a number");
    const double number = value.get<double>();
    if (!(number >= low && number <= high))
      fail(key, fmt::format("{} is outside {} to {}", number, low, high));
    return number;
  }
  std::int64_t whole(const char* key, std::int64_t low, std::int64_t high) const {
    const double value = number(key, static_cast<double>(low), static_cast<double>(high));
    if (value != std::floor(value)) fail(key, fmt::format("{} is not a whole number", value));
    return static_cast<std::int64_t>(value);
  }
  std::string word(const char* key) const {
    if (!json[key].is_string()) fail(key, "must be a string");
    return json[key].get<std::string>();
  }
  void colours(const char* key, double low, std::array<float, 3>& target) const {
    if (!has(key)) return;
    const Json& list = json[key];
    if (!list.is_array() || list.size() != 3) fail(key, "must be a list of 3 numbers");
    for (std::size_t c = 0; c < 3; ++c) {
      if (!list[c].is_number() || !(list[c].get<double>() >= low && list[c].get<double>() <= 1e3))
        fail(key, fmt::format("entry {} must be a number from {} to 1000", c, low));
      target[c] = list[c].get<float>();
    }
  }
};

Filter filter_of(const Section& section, const char* key) {
  const std::string words = section.word(key);
  for (const char* name : {"bilinear", "triangle"})
    if (words.find(name) != std::string::npos) return Filter::triangle;
  if (words.find("bicubic") != std::string::npos) return Filter::bicubic;
  section.fail(key, fmt::format("'{}' names none of bicubic, bilinear, triangle", words));
}

// "shorter side to S * 256 / 224 .., triangle filter ..": how the project's data says it.
void read_resize(const Section& section, Preprocessing& target) {
  target.filter = filter_of(section, "resize");
  const std::string words = section.word("resize");
  const std::size_t at = words.find("S *");
  if (at == std::string::npos ||
      std::sscanf(words.c_str() + at, "S * %lf / %lf", &target.resize_to, &target.crop_to) != 2 ||
      !(target.crop_to >= 1 && target.resize_to >= target.crop_to && target.resize_to <= 1e6))
    section.fail("resize", "needs 'S * A / B', A >= B");
}

void read_preprocessing(const Section& section, Preprocessing& target) {
  section.colours("mean", -1e3, target.mean);
  section.colours("std", 1e-3, target.deviation);
  if (section.has("resize")) read_resize(section, target);
  if (section.has("interpolation")) target.filter = filter_of(section, "interpolation");
  if (section.has("crop_pct")) {
    target.resize_to = 1;
    target.crop_to = section.number("crop_pct", 0.01, 1);
  }
}

void check_activation(const Section& section) {
  if (!section.has("activation")) return;
  const std::string word = section.word("activation");
  if (word != "gelu" && word != "gelu_exact")
    section.fail("activation", fmt::format("'{}' is not the exact GELU", word));
}

Config config_of(const std::string& path, const Json& json) {
  const Section top{path, json};
  Config config;
  if (top.has("num_heads")) {
    config.heads = top.whole("num_heads", 1, 65536);
  }
  if (top.has("layer_norm_eps")) {
    config.layer_norm_epsilon = static_cast<float>(top.number("layer_norm_eps", 0, 1));
  }
  check_activation(top);
  read_preprocessing(top, config.preprocessing);
  for (const char* key : {"pretrained_cfg", "preprocessing"}) {
    if (!top.has(key)) continue;
    if (!json[key].is_object()) top.fail(key, "must be an object");
    read_preprocessing({path, json[key]}, config.preprocessing);
  }
  return config;
}

}  // namespace

Config read_config(const std::string& path) {
  const Json json = models::parse_json_file(path, path);
  if (!json.is_object()) throw_invalid(fmt::format("{}: not a JSON object", path));
  return config_of(path, json);
}

Config config_beside(const std::string& weights) {
  const std::filesystem::path path = std::filesystem::path(weights).parent_path() / "config.json";
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? read_config(path.string()) : Config{};
}

}  // namespace subquad::vit
