// The parts of a method spec as text: for the terminal, for --help and for docs/guide/specs.md.
#pragma once

#include <string>

#include "subquad/parts.h"

namespace subquad::cli {

// A line or more for each part: name, kind and what it does.
std::string part_list();

// One part: what it does, where it comes from, and its parameters in order.
std::string part_page(const PartInfo& part);

// The table of docs/guide/specs.md.
std::string part_table();

}  // namespace subquad::cli
