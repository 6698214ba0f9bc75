#include "support/python.h"

#include <cstdlib>
#include <string>

namespace subquad::testing {

std::string find_python(const std::string& modules) {
  for (const std::string python : {"python3", "/usr/bin/python3"})
    if (std::system((python + " -c 'import " + modules + "' >/dev/null 2>&1").c_str()) == 0)
      return python;
  return "";
}

}  // namespace subquad::testing
