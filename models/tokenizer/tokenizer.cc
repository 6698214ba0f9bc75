#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "subquad/error.h"
#include "tokenizer/encoder.h"
#include "tokenizer/special_finder.h"

namespace subquad::tokenizer {

struct Tokenizer::State {
  explicit State(Vocabulary from)
      : vocabulary(std::move(from)),
        encoder(vocabulary),
        user_defined(vocabulary.pieces, false),
        special(vocabulary.pieces, true) {}

  const Vocabulary vocabulary;
  const Encoder encoder;
  const SpecialFinder user_defined, special;
};

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : state_(std::make_unique<const State>(std::move(vocabulary))) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<int> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int> ids;
  if (options.bos && !bos())
    throw_invalid(fmt::format("{}: the tokenizer has no token for the beginning of a text",
                              state_->vocabulary.label));
  if (options.bos) ids.push_back(*bos());
  const SpecialFinder& finder = options.special ? state_->special : state_->user_defined;
  for (std::size_t done = 0; done < text.size() && ids.size() < options.most;) {
    const SpecialFinder::Found found = finder.find(text, done);
    state_->encoder.encode(text.substr(done, found.begin - done), done == 0, options.most, ids);
    if (found.id >= 0) ids.push_back(found.id);
    done = found.end;
  }
  if (ids.size() > options.most) ids.resize(options.most);
  return ids;
}

std::string Tokenizer::decode(std::span<const int> ids) const {
  std::string text;
  const Vocabulary& vocabulary = state_->vocabulary;
  bool first =
      vocabulary.space_prefix != SpacePrefix::none && vocabulary.units == Units::characters;
  for (const int id : ids) {
    std::string_view bytes = bytes_of(id);
    if (first && bytes.starts_with(' ')) bytes.remove_prefix(1);
    first = first && bytes.empty() &&
            vocabulary.pieces[static_cast<std::size_t>(id)].kind == PieceKind::control;
    text += bytes;
  }
  return text;
}

std::string_view Tokenizer::bytes_of(int id) const {
  const std::string_view name = name_of(id);
  const bool control =
      state_->vocabulary.pieces[static_cast<std::size_t>(id)].kind == PieceKind::control;
  return control ? std::string_view() : name;
}

std::string_view Tokenizer::name_of(int id) const {
  if (id < 0 || id >= size())
    throw_invalid(
        fmt::format("{}: token {} is outside 0 to {}", state_->vocabulary.label, id, size() - 1));
  return state_->vocabulary.pieces[static_cast<std::size_t>(id)].bytes;
}

int Tokenizer::size() const { return static_cast<int>(state_->vocabulary.pieces.size()); }
const std::string& Tokenizer::label() const { return state_->vocabulary.label; }
std::optional<int> Tokenizer::bos() const { return state_->vocabulary.bos; }
std::optional<int> Tokenizer::eos() const { return state_->vocabulary.eos; }
std::optional<int> Tokenizer::end_of_turn() const { return state_->vocabulary.end_of_turn; }
bool Tokenizer::ends_text(int id) const {
  const std::vector<int>& more = state_->vocabulary.more_ends;
  return id == eos() || id == end_of_turn() ||
         std::find(more.begin(), more.end(), id) != more.end();
}
bool Tokenizer::adds_bos() const { return state_->vocabulary.adds_bos; }
const std::string& Tokenizer::chat_template() const { return state_->vocabulary.chat_template; }

}  // namespace subquad::tokenizer
