// JSON files that people write.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace subquad::models {

// Throws Error that begins with `where`: the file cannot be read or is no regular file, is no JSON,
// or an object in it has a key twice (of which one would be ignored).
nlohmann::json parse_json_file(const std::string& path, const std::string& where);

// The same for a text, such as a line of a file.
nlohmann::json parse_json(std::string_view text, const std::string& where);

}  // namespace subquad::models
