#include "io/npy_dict.h"

#include <charconv>
#include <set>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/text.h"

namespace subquad::io {
namespace {

class DictParser {
 public:
  DictParser(std::string_view text, const Source& source) : text_(text), source_(source) {}

  NpyDict parse() {
    expect('{');
    while (!accept('}')) {
      parse_entry();
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_spaces();
    if (position_ != text_.size()) fail("unexpected text after the dictionary");
    require_keys();
    return dict_;
  }

 private:
  void parse_entry() {
    const std::string key = parse_string();
    if (!seen_.insert(key).second) fail("key " + in_quotes(key) + " appears twice");
    expect(':');
    if (key == "descr") {
      parse_descr();
    } else if (key == "fortran_order") {
      dict_.fortran_order = parse_boolean();
    } else if (key == "shape") {
      parse_shape();
    } else {
      fail("unknown key " + in_quotes(key));
    }
  }

  void require_keys() const {
    for (const char* key : {"descr", "fortran_order", "shape"}) {
      if (!seen_.contains(key)) fail(fmt::format("key '{}' is missing", key));
    }
  }

  void parse_descr() {
    if (peek() == '[') source_.fail("descr", "structured types are not supported");
    dict_.descr = parse_string();
  }

  bool parse_boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    fail("expected True or False");
  }

  void parse_shape() {
    expect('(');
    bool comma = false;
    while (!accept(')')) {
      if (dict_.shape.size() == max_rank) fail(fmt::format("more than {} dimensions", max_rank));
      dict_.shape.push_back(parse_extent());
      comma = accept(',');
      if (comma) continue;
      expect(')');
      break;
    }
    if (dict_.shape.size() == 1 && !comma) fail("shape is not a tuple");
  }

  std::int64_t parse_extent() {
    skip_spaces();
    std::int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail("extent is too large");
    if (error != std::errc{}) fail("expected a whole number");
    if (value < 0) fail("extent is negative");
    position_ += static_cast<std::size_t>(end - begin);
    accept('L');  // Python 2 wrote long integers so
    return value;
  }

  std::string parse_string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("expected a string");
    const std::size_t begin = position_ + 1;
    const std::size_t end = text_.find(quote, begin);
    if (end == std::string_view::npos) fail("unterminated string");
    position_ = end + 1;
    return std::string(text_.substr(begin, end - begin));
  }

  void skip_spaces() {
    const std::size_t next = text_.find_first_not_of(" \t\n\r", position_);
    position_ = next == std::string_view::npos ? text_.size() : next;
  }

  // The next character that is not a space; 0 at the end.
  char peek() {
    skip_spaces();
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  bool accept(char wanted) {
    if (position_ >= text_.size() || peek() != wanted) return false;
    ++position_;
    return true;
  }

  bool accept_word(std::string_view word) {
    skip_spaces();
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(fmt::format("expected '{}'", wanted));
  }

  [[noreturn]] void fail(const std::string& what) const {
    source_.fail("header", fmt::format("{} at character {}", what, position_));
  }

  std::string_view text_;
  const Source& source_;
  std::size_t position_ = 0;
  std::set<std::string> seen_;
  NpyDict dict_;
};

}  // namespace

NpyDict parse_npy_dict(std::string_view text, const Source& source) {
  return DictParser(text, source).parse();
}

}  // namespace subquad::io
