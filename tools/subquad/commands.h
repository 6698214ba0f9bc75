// The subcommands. Each adds itself to the parser and does its work when chosen; errors are thrown.
#pragma once

#include <string>

namespace CLI {
class App;  // its header costs seconds: include it only where options are declared
}

namespace subquad::cli {

void add_attend(CLI::App& app);
// `command_line`: what the user typed, for the report.
void add_compare(CLI::App& app, const std::string& command_line);
void add_bench(CLI::App& app);
void add_diagnose(CLI::App& app);
void add_info(CLI::App& app);
void add_kernel(CLI::App& app);
void add_specs(CLI::App& app);
void add_synth(CLI::App& app);
void add_vit(CLI::App& app);

}  // namespace subquad::cli
