#include "command.h"

#include <CLI/CLI.hpp>

namespace subquad::cli {

const Option& Option::type_name(const std::string& name) const {
  option_->type_name(name);
  return *this;
}

const Option& Option::default_str(const std::string& text) const {
  option_->default_str(text);
  return *this;
}

const Option& Option::capture_default_str() const {
  option_->capture_default_str();
  return *this;
}

const Option& Option::required() const {
  option_->required();
  return *this;
}

const Option& Option::excludes(const Option& other) const {
  option_->excludes(other.option_);
  return *this;
}

const Option& Option::allow_extra_args(bool allow) const {
  option_->allow_extra_args(allow);
  return *this;
}

Command Command::add_subcommand(const std::string& name, const std::string& description) const {
  return Command(*app_->add_subcommand(name, description));
}

void Command::require_subcommand() const { app_->require_subcommand(1); }

Option Command::add_option(const std::string& name, std::string& target,
                           const std::string& help) const {
  return Option(*app_->add_option(name, target, help));
}

Option Command::add_option(const std::string& name, std::vector<std::string>& target,
                           const std::string& help) const {
  return Option(*app_->add_option(name, target, help));
}

Option Command::add_word(const std::string& name, const std::string& help,
                         const std::function<void(const std::string&)>& read) const {
  return Option(*app_->add_option_function<std::string>(name, read, help));
}

Option Command::add_words(const std::string& name, const std::string& help,
                          const std::function<void(const std::vector<std::string>&)>& read) const {
  return Option(*app_->add_option_function<std::vector<std::string>>(name, read, help));
}

Option Command::add_flag(const std::string& name, bool& target, const std::string& help) const {
  return Option(*app_->add_flag(name, target, help));
}

void Command::footer(const std::string& text) const { app_->footer(text); }

void Command::callback(const std::function<void()>& run) const { app_->callback(run); }

std::size_t Command::count(const std::string& name) const { return app_->count(name); }

}  // namespace subquad::cli
