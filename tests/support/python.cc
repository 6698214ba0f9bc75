#include "support/python.h"

#include <cstdlib>
#include <string>

namespace subquad::testing {

namespace {

// The environment that scripts/install_deps makes, as the shell reads it.
const std::string cached_python = R"("${XDG_CACHE_HOME:-$HOME/.cache}/subquad/python/bin/python3")";

}  // namespace

std::string find_python(const std::string& modules) {
  const std::string program = " -c 'import " + modules + "' >/dev/null 2>&1";
  for (const std::string& python :
       {std::string("python3"), std::string("/usr/bin/python3"), cached_python})
    if (std::system((python + program).c_str()) == 0) return python;
  return "";
}

}  // namespace subquad::testing
