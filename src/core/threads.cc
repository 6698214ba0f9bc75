#include "core/threads.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad {

void check_threads(int requested) {
  if (requested < 0)
    throw_invalid(fmt::format("threads: {} must be 0 (default) or more", requested));
}

}  // namespace subquad
