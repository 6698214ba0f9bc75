#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <new>

#include <fmt/format.h>

#include "io/text.h"
#include "subquad/error.h"

namespace subquad::tokenizer {
namespace {

// White_Space of Unicode, for use inside a class. pcre2's own \s has U+180E besides.
constexpr const char* white_space =
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// Spells \s and \S out. Inside a class \S cannot be: such patterns are left as they are.
std::string spell_spaces(const std::string& pattern) {
  std::string spelled;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      in_class = c == '[' || (in_class && c != ']');
      spelled += c;
      continue;
    }
    const char next = pattern[++i];
    if (next == 's')
      spelled += in_class ? white_space : fmt::format("[{}]", white_space);
    else if (next == 'S' && !in_class)
      spelled += fmt::format("[^{}]", white_space);
    else
      spelled += {c, next};
  }
  return spelled;
}

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 128> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Regex::State {
  pcre2_code* code = nullptr;
  std::string where;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern, const std::string& where)
    : state_(std::make_unique<State>()) {
  const std::string spelled = spell_spaces(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  state_->where = where;
  state_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (state_->code == nullptr)
    throw_invalid(
        fmt::format("{}: pattern {}: {}", where, io::in_quotes(pattern), message_of(error)));
  // Where there is no compiler for this machine, searches are interpreted.
  pcre2_jit_compile(state_->code, PCRE2_JIT_COMPLETE);
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex::Scratch::Scratch() : data_(pcre2_match_data_create(1, nullptr)) {
  if (data_ == nullptr) throw std::bad_alloc();
}

Regex::Scratch::~Scratch() { pcre2_match_data_free(static_cast<pcre2_match_data*>(data_)); }

Regex::Match Regex::find(std::string_view text, std::size_t from, Scratch& scratch) const {
  auto* data = static_cast<pcre2_match_data*>(scratch.data_);
  const auto search = [&](std::uint32_t options) {
    return pcre2_match(state_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, data, nullptr);
  };
  int found = search(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = search(PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return {};
  if (found < 0)
    throw_invalid(
        fmt::format("{}: cannot cut the text into words: {}", state_->where, message_of(found)));
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
  return {range[0], range[1]};
}

}  // namespace subquad::tokenizer
