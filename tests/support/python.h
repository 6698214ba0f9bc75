// A Python for the tests that need one with packages.
#pragma once

#include <string>

namespace subquad::testing {

// The first of these that imports all of `modules` ("numpy, matplotlib"); "" if none does. The
// second is the one that Debian's packages belong to, the third that of scripts/install_deps.
std::string find_python(const std::string& modules);

}  // namespace subquad::testing
