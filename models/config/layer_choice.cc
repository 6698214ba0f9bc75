#include "config/layer_choice.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::models {
namespace {

struct Span {
  std::int64_t first, last;
};

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

std::optional<Span> parse(std::string_view text, std::int64_t depth) {
  if (text == "all") return Span{0, depth - 1};
  if (text.starts_with("last:")) {
    const auto count = number(text.substr(5));
    if (!count) return {};
    return Span{depth - *count, depth - 1};
  }
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  const auto last = dash == text.npos ? first : number(text.substr(dash + 1));
  if (!first || !last) return {};
  return Span{*first, *last};
}

}  // namespace

std::vector<bool> choose_layers(const std::string& text, std::int64_t depth,
                                const std::string& where) {
  const std::optional<Span> span = parse(text, depth);
  if (!span) throw_invalid(fmt::format("{}: '{}' is none of all, A, A-B, last:L", where, text));
  if (span->first < 0 || span->last >= depth || span->first > span->last)
    throw_invalid(fmt::format("{}: '{}' names no layers of 0 to {}", where, text, depth - 1));
  std::vector<bool> chosen(static_cast<std::size_t>(depth));
  std::fill(chosen.begin() + span->first, chosen.begin() + span->last + 1, true);
  return chosen;
}

}  // namespace subquad::models
