// A command of the tool and its options. The parser, CLI11, costs seconds to compile: only
// command.cc and main.cc include it.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace subquad::cli {

// An option that was just added, to say more of. A handle; the parser owns the option.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}
  const Option& type_name(const std::string& name) const;    // what --help calls the value
  const Option& default_str(const std::string& text) const;  // what --help says of the default
  const Option& capture_default_str() const;                 // what the target holds now
  const Option& required() const;
  const Option& excludes(const Option& other) const;
  const Option& allow_extra_args(bool allow) const;  // several values after the one name

 private:
  CLI::Option* option_;
};

// A command, or the tool itself. A handle; the parser owns the command.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}
  Command add_subcommand(const std::string& name, const std::string& description) const;
  void require_subcommand() const;

  Option add_option(const std::string& name, std::string& target, const std::string& help) const;
  Option add_option(const std::string& name, std::vector<std::string>& target,
                    const std::string& help) const;
  // Whose value, or values, `read` takes, and refuses by an Error.
  Option add_word(const std::string& name, const std::string& help,
                  const std::function<void(const std::string&)>& read) const;
  Option add_words(const std::string& name, const std::string& help,
                   const std::function<void(const std::vector<std::string>&)>& read) const;
  Option add_flag(const std::string& name, bool& target, const std::string& help) const;

  void footer(const std::string& text) const;             // after the options in --help
  void callback(const std::function<void()>& run) const;  // what the command does
  std::size_t count(const std::string& name) const;       // how often the option was given

 private:
  CLI::App* app_;
};

}  // namespace subquad::cli
