// Expecting an error that names the argument at fault.
#pragma once

#include <functional>
#include <string>

#include "subquad/error.h"

namespace subquad::testing {

// Runs the body and expects an invalid_argument Error of one line that contains `name`.
void expect_invalid(const std::string& name, const std::function<void()>& body);

}  // namespace subquad::testing
