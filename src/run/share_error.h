// How the heads of a sequence share an error.
#pragma once

#include <span>
#include <vector>

#include "parts/budget.h"

namespace subquad {

// Lowers the heads' errors, stage by stage and the largest first, until all of them together, and
// two standard deviations of their sum, are below `error`, relative to |output|_2 of all; then the
// choices stand.
void share_error(std::span<SharedError* const> heads, double error);

// The largest square that any head may keep so that all of them together stay at or below
// `allowed`: those above come down to it. Infinite where they are below it as they are.
double largest_share(std::vector<double> squares, double allowed);

}  // namespace subquad
