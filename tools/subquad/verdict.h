// The sentence a reader wants first: which method to take for a layer.
#pragma once

#include <functional>
#include <string>

#include "comparison.h"

namespace subquad::cli {

// A method's name as the output writes it.
using NameWriter = std::function<std::string(const std::string&)>;

// The fastest method within 0.05 relative error that is faster than exact beyond the noise of the
// rounds (speed.h), with those that the noise does not tell from it; or that there is none. Then
// which methods ran exact's own code.
std::string verdict(const Comparison& comparison, const NameWriter& name);

// "Times: medians of 5 rounds; errors: medians over 3 seeds, 1 to 3"
std::string rounds_text(const Comparison& comparison);

}  // namespace subquad::cli
