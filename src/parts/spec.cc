#include "parts/spec.h"

#include <algorithm>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::size_t max_spec_length = 4096;
constexpr std::size_t max_parts = 64;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool continues_name(char c) { return is_lower(c) || is_digit(c) || c == '_'; }

bool is_name(std::string_view text) {
  return !text.empty() && is_lower(text[0]) &&
         std::all_of(text.begin(), text.end(), continues_name);
}

class SpecParser {
 public:
  explicit SpecParser(std::string_view text) : text_(text) {}

  std::vector<SpecPart> parse() {
    std::vector<SpecPart> parts;
    do {
      if (parts.size() == max_parts) fail(fmt::format("more than {} parts", max_parts));
      parts.push_back(parse_part());
    } while (accept('+'));
    if (position_ != text_.size()) fail("expected '+' or the end");
    return parts;
  }

 private:
  SpecPart parse_part() {
    SpecPart part;
    part.name = parse_name();
    if (!accept('(') || accept(')')) return part;
    do {
      add_argument(part);
    } while (accept(','));
    if (!accept(')')) fail("expected ',' or ')'");
    return part;
  }

  void add_argument(SpecPart& part) {
    skip_spaces();
    const std::size_t begin = position_;
    SpecArgument argument{"", parse_value()};
    if (accept('=')) argument = {as_key(argument.value, begin), parse_value()};
    const auto& all = part.arguments;
    if (argument.key.empty() && !all.empty() && !all.back().key.empty()) {
      fail_at(begin, "positional argument after a named one");
    }
    const auto same_key = [&](const SpecArgument& other) { return other.key == argument.key; };
    if (!argument.key.empty() && std::any_of(all.begin(), all.end(), same_key)) {
      fail_at(begin, fmt::format("argument '{}' appears twice", argument.key));
    }
    part.arguments.push_back(std::move(argument));
  }

  std::string as_key(const std::string& word, std::size_t begin) const {
    if (!is_name(word)) fail_at(begin, "an argument name is a lower-case letter, then [a-z0-9_]");
    return word;
  }

  std::string parse_name() {
    skip_spaces();
    if (position_ == text_.size() || !is_lower(text_[position_])) fail("expected a method name");
    std::size_t length = 1;
    while (position_ + length < text_.size() && continues_name(text_[position_ + length])) ++length;
    return take(length);
  }

  std::string parse_value() {
    skip_spaces();
    std::size_t length = 0;
    while (position_ + length < text_.size() && continues_value(length)) ++length;
    if (length == 0) fail("expected a value");
    return take(length);
  }

  // Whether the character `length` places into a value belongs to it.
  bool continues_value(std::size_t length) const {
    const char c = text_[position_ + length];
    if (c != '+')
      return is_lower(c) || is_upper(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
    const char before = length == 0 ? '\0' : text_[position_ + length - 1];
    return before == 'e' || before == 'E';
  }

  std::string take(std::size_t length) {
    const std::size_t begin = position_;
    position_ += length;
    std::string token(text_.substr(begin, length));
    skip_spaces();
    return token;
  }

  bool accept(char wanted) {
    skip_spaces();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    skip_spaces();
    return true;
  }

  void skip_spaces() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }

  [[noreturn]] void fail(const std::string& what) const { fail_at(position_, what); }

  [[noreturn]] void fail_at(std::size_t position, const std::string& what) const {
    const std::string place = position < text_.size()
                                  ? fmt::format("character {} ('{}')", position + 1,
                                                shown_spec(text_.substr(position, 1)))
                                  : std::string("the end");
    throw_invalid(fmt::format("spec '{}': {} at {}", shown_spec(text_), what, place));
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

std::string shown_spec(std::string_view text) {
  constexpr std::size_t longest = 160;
  std::string line(text.substr(0, longest));
  const auto hidden = [](char c) { return c < ' ' || c > '~'; };
  std::replace_if(line.begin(), line.end(), hidden, '?');
  return text.size() > longest ? line + "..." : line;
}

std::vector<SpecPart> parse_spec(std::string_view text) {
  if (text.size() > max_spec_length) {
    throw_invalid(
        fmt::format("spec '{}': longer than {} characters", shown_spec(text), max_spec_length));
  }
  return SpecParser(text).parse();
}

std::string to_text(const SpecPart& part) {
  if (part.arguments.empty()) return part.name;
  std::string text = part.name;
  char separator = '(';
  for (const SpecArgument& argument : part.arguments) {
    text += separator;
    if (!argument.key.empty()) text += argument.key + "=";
    text += argument.value;
    separator = ',';
  }
  return text + ")";
}

}  // namespace subquad
