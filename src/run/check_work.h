// Whether a method's options make it so dear that running it must be a mistake.
#pragma once

#include <span>

#include "methods/method.h"
#include "rows/head_problem.h"

namespace subquad {

// Throws Error (invalid_argument) where a part would take far longer than exact attention and
// minutes besides (parts/work.h).
void check_work(std::span<const HeadProblem> heads, const Method& method);

}  // namespace subquad
