// The commands of `subquad lm`.
#pragma once

#include "command.h"

namespace subquad::cli {

void add_lm_perplexity(const Command& lm);
void add_lm_generate(const Command& lm);
void add_lm_score(const Command& lm);
void add_lm_layers(const Command& lm);

}  // namespace subquad::cli
