// Where the guides are that the help texts name.
#pragma once

#include <string>

namespace subquad::cli {

// The folder of the installed guides, found from where the program lies; "docs/guide" in the
// sources where nothing is installed.
std::string guide_folder();

// `text` with that folder in the place of every "docs/guide".
std::string with_guide_folder(const std::string& text);

}  // namespace subquad::cli
