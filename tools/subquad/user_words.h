// The library's errors in the words of the command line.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "subquad/error.h"

namespace subquad::cli {

// The library's name of an argument, and what the user calls it.
using UserWords = std::vector<std::pair<std::string, std::string>>;

// A message that begins with "NAME: ", "NAME '" or "NAME line " begins with the user's words for
// NAME instead.
std::string in_user_words(const std::string& message, const UserWords& words);

// Runs call(); `reword` makes the messages of its Errors.
template <typename Reword, typename Call>
auto reworded(const Reword& reword, const Call& call) {
  try {
    return call();
  } catch (const Error& error) {
    throw Error(error.kind(), reword(std::string(error.what())));
  }
}

// Runs call(); its Errors name what the user named.
template <typename Call>
auto with_user_words(const UserWords& words, const Call& call) {
  return reworded([&](const std::string& said) { return in_user_words(said, words); }, call);
}

// Runs call(); its Errors begin with the file that they are about.
template <typename Call>
auto with_file(const std::string& path, const Call& call) {
  return reworded([&](const std::string& said) { return path + ": " + said; }, call);
}

}  // namespace subquad::cli
