// The results of `subquad vit` as JSON, as a table and as CSV.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "run_record.h"
#include "vit_run.h"

namespace subquad::cli {

// The --images folder: as the user named it, and what it holds.
struct VitFolder {
  const std::string& path;
  const vit::ImageFolder& folder;
};

// {"machine": {..}, "runs": [..]}; docs/guide/vit.md has the fields.
nlohmann::ordered_json to_json(const MachineRecord& machine, const VitOutcome& outcome,
                               const VitFolder& input);

std::string vit_text(const VitOutcome& outcome, const VitFolder& input);

// A warning for each picture that could not be read, ten at most and then their number.
std::string complaints_text(const VitOutcome& outcome);

// A line for each method, block and head, and one for the block ("all": means over heads, and what
// has no heads). Empty cells: not defined for the method.
std::string metrics_csv(const VitOutcome& outcome);

}  // namespace subquad::cli
