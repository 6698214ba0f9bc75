// Which instruction set the kernels run on.
#pragma once

#include <string>
#include <vector>

namespace subquad {

// Applies the environment's SUBQUAD_ISA, once. Call before the first kernel.
// Throws Error (invalid_argument) if the variable names an unknown or unsupported set.
void ensure_isa();

std::vector<std::string> compiled_isas();   // best first
std::vector<std::string> supported_isas();  // those that this machine can run
std::string selected_isa();
// Tiles of bf16 besides the vectors: on a matrix unit, or by dot products.
bool amx_selected();
bool dots_selected();

}  // namespace subquad
