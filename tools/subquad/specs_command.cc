#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "commands.h"
#include "specs_text.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

struct SpecsOptions {
  std::string part;
  bool markdown = false;
};

void run_specs(const SpecsOptions& options) {
  if (options.markdown) return fmt::print("{}", part_table());
  if (options.part.empty()) return fmt::print("{}", part_list());
  const auto parts = method_parts();
  const auto part = std::find_if(parts.begin(), parts.end(),
                                 [&](const PartInfo& p) { return p.name == options.part; });
  if (part == parts.end())
    throw_invalid(fmt::format("PART {}: no such part (subquad specs lists them)", options.part));
  fmt::print("{}", part_page(*part));
}

}  // namespace

void add_specs(const Command& app) {
  auto options = std::make_shared<SpecsOptions>();
  const Command command =
      app.add_subcommand("specs", "The parts of a method, and their parameters");
  command.add_option("PART", options->part, "Show the parameters of this part");
  command.add_flag("--markdown", options->markdown, "The table of docs/guide/specs.md");
  command.footer(
      "Examples:\n"
      "  subquad specs\n"
      "  subquad specs sortlsh");
  command.callback([options] { run_specs(*options); });
}

}  // namespace subquad::cli
