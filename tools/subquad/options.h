// Options of the command line with values that are checked strictly.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "command.h"
#include "numbers.h"

namespace subquad::cli {

// The words between the commas of each of the lists; empty ones, too.
std::vector<std::string> split_lists(const std::vector<std::string>& lists);

// An option that is a whole number from `low` to `high`; its default is what `target` holds.
template <typename Integer>
Option add_whole(const Command& app, const std::string& name, Integer& target,
                 std::type_identity_t<Integer> low, std::type_identity_t<Integer> high,
                 const std::string& help) {
  const auto read = [&target, name, low, high](const std::string& word) {
    target = whole_number<Integer>(word, name, low, high);
  };
  return app.add_word(name, help, read).type_name("N").default_str(std::to_string(target));
}

// A list of whole numbers with commas.
Option add_whole_list(const Command& app, const std::string& name,
                      std::vector<std::int64_t>& target, std::int64_t low, std::int64_t high,
                      const std::string& help);

// A list of finite numbers above 0, with commas.
Option add_positive_list(const Command& app, const std::string& name, std::vector<double>& target,
                         const std::string& help);

// A finite number above 0.
template <typename Real>
Option add_positive(const Command& app, const std::string& name, Real& target,
                    const std::string& help) {
  const auto read = [&target, name](const std::string& word) {
    target = static_cast<Real>(positive_number(word, name));
    if constexpr (std::is_same_v<Real, float>) target = finite_number(word, name);
  };
  return app.add_word(name, help, read);
}

}  // namespace subquad::cli
