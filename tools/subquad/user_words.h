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

// Runs call(); its Errors name what the user named.
template <typename Call>
auto with_user_words(const UserWords& words, const Call& call) {
  try {
    return call();
  } catch (const Error& error) {
    throw Error(error.kind(), in_user_words(error.what(), words));
  }
}

// Runs call(); its Errors begin with the file that they are about.
template <typename Call>
void with_file(const std::string& path, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
}

}  // namespace subquad::cli
