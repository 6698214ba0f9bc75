// The subcommands. Each adds itself to the parser and does its work when chosen; errors are thrown.
#pragma once

#include <string>

#include "command.h"

namespace subquad::cli {

void add_attend(const Command& app);
// `command_line`: what the user typed, for the pages.
void add_compare(const Command& app, const std::string& command_line);
void add_bench(const Command& app);
void add_denoise(const Command& app);
void add_diagnose(const Command& app);
void add_info(const Command& app);
void add_kde(const Command& app);
void add_kernel(const Command& app);
void add_lm(const Command& app, const std::string& command_line);
void add_solve(const Command& app);
void add_specs(const Command& app);
void add_spectrum(const Command& app);
void add_synth(const Command& app);
void add_vit(const Command& app);

}  // namespace subquad::cli
