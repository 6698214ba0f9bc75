// The page that `lm perplexity --html` writes: self-contained, no scripts, light and dark.
#pragma once

#include <string>
#include <vector>

#include "lm_perplexity.h"
#include "lm_text.h"
#include "run_record.h"

namespace subquad::cli {

struct PerplexityPage {
  std::string model;  // path
  LmText text;
  std::string layers;  // as chosen
  std::string command_line;
  MachineRecord machine;
};

// A table of the runs, and beside exact attention two pictures of the others: what they add to its
// perplexity against the time of their attention, and what they add to -log p along the text.
// `exact`: the run with exact attention, one of `runs`.
std::string perplexity_page(const std::vector<PerplexityRun>& runs, const PerplexityRun& exact,
                            const PerplexityPage& page);

}  // namespace subquad::cli
