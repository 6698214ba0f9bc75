#include "commands.h"
#include "lm_commands.h"

namespace subquad::cli {

void add_lm(const Command& app, const std::string& command_line) {
  const Command lm = app.add_subcommand(
      "lm", "A language model of the Llama family, with the attention of some layers replaced");
  lm.require_subcommand();
  lm.footer(
      "Models: scripts/fetch_model gets one. Guide: docs/guide/lm.md.\n"
      "`subquad lm COMMAND --help` explains each command, with examples.");
  add_lm_perplexity(lm, command_line);
  add_lm_generate(lm);
  add_lm_score(lm);
  add_lm_layers(lm);
}

}  // namespace subquad::cli
