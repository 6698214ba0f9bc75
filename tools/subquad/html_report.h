// The page that `compare --html` writes: self-contained, no scripts, light and dark.
#pragma once

#include <string>
#include <vector>

#include "comparison.h"
#include "run_record.h"

namespace subquad::cli {

// For each layer an error-against-time picture and its table; above them the machine and the
// command that makes the page again.
std::string html_report(const std::vector<Comparison>& comparisons, const MachineRecord& machine,
                        const std::string& command_line);

}  // namespace subquad::cli
