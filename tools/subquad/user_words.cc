#include "user_words.h"

namespace subquad::cli {

std::string in_user_words(const std::string& message, const UserWords& words) {
  for (const auto& [name, word] : words) {
    if (name.empty() || !message.starts_with(name)) continue;
    const std::string rest = message.substr(name.size());
    if (rest.starts_with(": ") || rest.starts_with(" '") || rest.starts_with(" line "))
      return word + rest;
  }
  return message;
}

}  // namespace subquad::cli
