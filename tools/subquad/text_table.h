// Plain-text tables of results.
#pragma once

#include <string>
#include <vector>

#include "comparison.h"
#include "run_record.h"

namespace subquad::cli {

// Rows of cells; every column but the last is right-aligned to its widest cell.
std::string aligned_text(const std::vector<std::vector<std::string>>& rows);

// Sizes and origin in one line.
std::string size_text(const ProblemSize& size);

// One layer: what it is, then a row for each method; `per_head` adds a row for each head.
std::string comparison_text(const Comparison& comparison, bool per_head);

// One line for each run of a benchmark, under a heading.
std::string bench_text(const std::vector<RunRecord>& runs, const MachineRecord& machine);

}  // namespace subquad::cli
