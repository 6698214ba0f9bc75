// Unicode's composed form.
#pragma once

#include <string>
#include <string_view>

namespace subquad::tokenizer {

// The NFC of `text`, which is UTF-8: a letter and its accent become one character where there is
// one. Unicode 15 or what the installed libutf8proc knows.
std::string composed(std::string_view text);

}  // namespace subquad::tokenizer
