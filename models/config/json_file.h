// JSON files that people write.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace subquad::models {

// Throws Error that begins with `where`: the file cannot be read or is no regular file, is no JSON,
// or an object in it has a key twice (of which one would be ignored).
nlohmann::json parse_json_file(const std::string& path, const std::string& where);

}  // namespace subquad::models
