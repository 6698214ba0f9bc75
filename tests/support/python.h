// A Python for the tests that need one with packages.
#pragma once

#include <cstdlib>
#include <string>

namespace subquad::testing {

// The first of these that imports all of `modules` ("numpy, matplotlib"); "" if none does. The
// second is the one that Debian's packages belong to.
inline std::string find_python(const std::string& modules) {
  for (const std::string python : {"python3", "/usr/bin/python3"})
    if (std::system((python + " -c 'import " + modules + "' >/dev/null 2>&1").c_str()) == 0)
      return python;
  return "";
}

}  // namespace subquad::testing
