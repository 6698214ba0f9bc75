// The words of the command line and of JSON for the library's enumerations.
#pragma once

#include <string>

#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad::cli {

// none | top_left | bottom_right; also true, 1 (top_left) and false, 0 (none), as files write them.
// Throws Error naming `where` for anything else.
Causal parse_causal(const std::string& word, const std::string& where);
const char* causal_name(Causal causal);

// f32 | bf16 | f16. Throws Error naming `where` for anything else.
DType parse_dtype(const std::string& word, const std::string& where);

}  // namespace subquad::cli
