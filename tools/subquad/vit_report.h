// The results of `subquad vit` as JSON, as a table and as CSV.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "run_record.h"
#include "vit_run.h"

namespace subquad::cli {

// {"machine": {..}, "runs": [..]}; docs/guide/vit.md has the fields.
nlohmann::ordered_json to_json(const MachineRecord& machine, const VitOutcome& outcome,
                               const std::string& input);

std::string vit_text(const VitOutcome& outcome);

// A line for each method, block and head, and one for the block ("all": means over heads, and what
// has no heads). Empty cells: not defined for the method.
std::string metrics_csv(const VitOutcome& outcome);

}  // namespace subquad::cli
