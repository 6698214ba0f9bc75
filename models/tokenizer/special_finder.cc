#include "tokenizer/special_finder.h"

#include <algorithm>
#include <cstdint>

namespace subquad::tokenizer {

SpecialFinder::SpecialFinder(const std::vector<Piece>& pieces, bool control) {
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    const bool named = piece.kind == PieceKind::control || piece.kind == PieceKind::unknown;
    if (piece.bytes.empty() || !(piece.kind == PieceKind::user_defined || (control && named)))
      continue;
    names_[static_cast<std::uint8_t>(piece.bytes[0])].push_back(
        {piece.bytes, static_cast<int>(id)});
  }
  for (auto& names : names_)
    std::stable_sort(names.begin(), names.end(),
                     [](const Name& a, const Name& b) { return a.text.size() > b.text.size(); });
}

SpecialFinder::Found SpecialFinder::find(std::string_view text, std::size_t from) const {
  for (std::size_t i = from; i < text.size(); ++i)
    for (const Name& name : names_[static_cast<std::uint8_t>(text[i])])
      if (text.substr(i).starts_with(name.text)) return {i, i + name.text.size(), name.id};
  return {text.size(), text.size(), -1};
}

}  // namespace subquad::tokenizer
