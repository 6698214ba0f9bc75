// What every run of `subquad vit` says of every picture, as CSV.
#pragma once

#include <string>

#include "vit_run.h"

namespace subquad::cli {

// Under a header, for each picture a line of every run: file,label,method,layers,temperature and
// five times class,probability. Empty cells: no label, fewer classes, not a number.
std::string predictions_csv(const VitOutcome& outcome, const vit::ImageFolder& folder);

}  // namespace subquad::cli
