// subquad: attention and kernel products on files and synthetic shapes.
// Exit codes: 0 done, 1 the computation or the system failed, 2 bad usage or input.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <new>
#include <string>
#include <system_error>

#include "commands.h"
#include "common_options.h"
#include "ending.h"
#include "guide.h"
#include "messages.h"
#include "standard_output.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

// Quotes a word where a shell would need it.
std::string quoted(const std::string& word) {
  const char* const plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:@%+";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string command_line(int argc, char** argv) {
  std::string text = "subquad";
  for (int i = 1; i < argc; ++i) text += " " + quoted(argv[i]);
  return text;
}

int fail(const std::string& message, int code) {
  print_error(message);
  return code;
}

// Of an app whose commands come first. The parser would only say that a command is missing.
void check_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || app.get_subcommands([](const CLI::App*) { return true; }).empty()) return;
  const std::string word = argv[1], name = word.substr(0, word.find('='));
  if (app.get_option_no_throw(name) != nullptr) return;
  const auto is_named = [&](const CLI::App* command) { return command->get_name() == word; };
  const auto commands = app.get_subcommands(is_named);
  if (commands.empty())
    throw_invalid(fmt::format("unknown {} '{}' (see --help)",
                              word.starts_with('-') ? "option" : "command", word));
  check_command(*commands.front(), argc - 1, argv + 1);
}

// What the parser says, in the user's words.
std::string plain_text(const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::size_t twice = text.find(": At Most 1 required");
  return twice == std::string::npos ? text : text.substr(0, twice) + ": given more than once";
}

// The texts name the guides as the sources have them.
void locate_guides(CLI::App& app) {
  app.footer(with_guide_folder(app.get_footer()));
  for (CLI::Option* option : app.get_options())
    option->description(with_guide_folder(option->get_description()));
  for (CLI::App* command : app.get_subcommands({})) locate_guides(*command);
}

// An empty word, as an unset variable of a shell leaves it, is the value of no option of `app` and
// its commands. Call it when all of them are there.
void refuse_empty_values(CLI::App& app) {
  const CLI::Validator filled(
      [](const std::string& word) { return word.empty() ? "'' is an empty value" : ""; }, "");
  for (CLI::Option* option : app.get_options())
    if (option->get_items_expected_max() > 0) option->check(filled);
  for (CLI::App* command : app.get_subcommands(nullptr)) refuse_empty_values(*command);
}

// The parser would take the next word for the value.
void check_values(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--") && word.find('=') == word.size() - 1)
      throw_invalid(word.substr(0, word.size() - 1) + ": '' is an empty value");
  }
}

void add_commands(const Command& app, const std::string& command_line) {
  add_attend(app);
  add_compare(app, command_line);
  add_bench(app);
  add_denoise(app);
  add_diagnose(app);
  add_info(app);
  add_kde(app);
  add_kernel(app);
  add_lm(app, command_line);
  add_solve(app);
  add_specs(app);
  add_spectrum(app);
  add_synth(app);
  add_vit(app);
}

int run(int argc, char** argv) {
  CLI::App app{"Softmax attention, exact and in near-linear time, with the error stated.",
               "subquad"};
  app.set_version_flag("--version", SUBQUAD_VERSION);
  app.require_subcommand(1);
  app.footer(
      "`subquad COMMAND --help` explains each command, with examples.\n"
      "Guides: docs/guide (specs.md: the method strings; cli.md: files, JSON, exit codes).\n"
      "Exit codes: 0 done, 1 the computation or the system failed, 2 bad usage or input.");
  add_commands(Command(app), command_line(argc, argv));
  locate_guides(app);
  refuse_empty_values(app);
  check_command(app, argc, argv);
  check_values(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return fail(fmt::format("{} (see --help)", plain_text(error)), 2);
  }
  return 0;
}

}  // namespace
}  // namespace subquad::cli

int main(int argc, char** argv) {
  using namespace subquad::cli;
  hold_standard_streams();
  watch_signals();
  try {
    const int code = run(argc, argv);
    finish_stdout();
    return code;
  } catch (const subquad::Error& error) {
    return fail(error.what(), error.kind() == subquad::ErrorKind::invalid_argument ? 2 : 1);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", 1);
  } catch (const std::system_error& error) {
    if (std::ferror(stdout) == 0) return fail(error.what(), 1);
    return fail("cannot write to standard output: " + error.code().message(), 1);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}
