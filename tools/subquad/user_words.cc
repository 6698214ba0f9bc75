#include "user_words.h"

namespace subquad::cli {

std::string in_user_words(const std::string& message, const UserWords& words) {
  for (const auto& [name, word] : words) {
    if (message.starts_with(name + ": ")) return word + message.substr(name.size());
  }
  return message;
}

}  // namespace subquad::cli
