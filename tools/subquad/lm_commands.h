// The commands of `subquad lm`.
#pragma once

#include <string>

#include "command.h"

namespace subquad::cli {

// `command_line`: what the user typed, for the page.
void add_lm_perplexity(const Command& lm, const std::string& command_line);
void add_lm_generate(const Command& lm);
void add_lm_score(const Command& lm);
void add_lm_layers(const Command& lm);

}  // namespace subquad::cli
