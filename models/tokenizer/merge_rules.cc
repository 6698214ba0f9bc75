#include "tokenizer/merge_rules.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "io/text.h"
#include "subquad/error.h"
#include "tokenizer/utf8.h"

namespace subquad::tokenizer {
namespace {

using Ids = std::unordered_map<std::string_view, int>;

// The piece, or the character where it is one that has no piece.
std::optional<int> symbol_of(std::string_view text, const Ids& ids) {
  const auto found = ids.find(text);
  if (found != ids.end()) return found->second;
  if (character_bytes(text) != text.size()) return std::nullopt;
  return -1 - static_cast<int>(code_point(text));
}

// The ids, highest score first, those of one score in their own order.
std::vector<int> by_score(const std::vector<double>& scores) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return order;
}

}  // namespace

std::vector<MergeRule> rules_of_pairs(const std::vector<std::string>& texts,
                                      const std::vector<std::pair<std::string, std::string>>& pairs,
                                      const std::string& where) {
  Ids ids;
  for (std::size_t id = 0; id < texts.size(); ++id) ids.emplace(texts[id], static_cast<int>(id));
  std::vector<MergeRule> rules;
  rules.reserve(pairs.size());
  for (const auto& [left, right] : pairs) {
    const auto id_of = [&](const std::string& text) {
      const auto found = ids.find(text);
      if (found == ids.end())
        throw_invalid(
            fmt::format("{}: entry {}: {} is no token", where, rules.size(), io::in_quotes(text)));
      return found->second;
    };
    rules.push_back(
        {id_of(left), id_of(right), static_cast<int>(rules.size()), id_of(left + right)});
  }
  return rules;
}

std::vector<MergeRule> rules_of_scores(const std::vector<Piece>& pieces,
                                       const std::vector<double>& scores) {
  Ids ids;
  for (std::size_t id = 0; id < pieces.size(); ++id)
    if (pieces[id].kind == PieceKind::normal) ids.emplace(pieces[id].bytes, static_cast<int>(id));
  std::vector<MergeRule> rules;
  int rank = 0;
  double last = 0;
  for (const int id : by_score(scores)) {
    const auto index = static_cast<std::size_t>(id);
    if (scores[index] != last) ++rank;
    last = scores[index];
    const std::string_view text = pieces[index].bytes;
    const auto own = ids.find(text);
    if (own == ids.end() || own->second != id || valid_bytes(text) != text.size()) continue;
    for (std::size_t cut = character_bytes(text); cut < text.size();
         cut += character_bytes(text.substr(cut))) {
      const auto left = symbol_of(text.substr(0, cut), ids);
      const auto right = symbol_of(text.substr(cut), ids);
      if (left && right) rules.push_back({*left, *right, rank, id});
    }
  }
  return rules;
}

}  // namespace subquad::tokenizer
