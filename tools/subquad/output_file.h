// Where results go: checked before the work, written after it.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace subquad::cli {

// Throws Error (invalid_argument) when `path` cannot become a file: its folder is missing or not
// writable, or something that is not a regular file is in the way. Nothing is created. An empty
// path and "-" pass.
void check_writable(const std::string& path, const std::string& option);

// Writes to stdout for "-", else to a file as a whole; does nothing for an empty path.
void write_json(const std::string& path, const nlohmann::ordered_json& json);

}  // namespace subquad::cli
