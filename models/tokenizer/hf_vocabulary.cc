#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include <fmt/format.h>

#include "config/json_file.h"
#include "config/json_keys.h"
#include "io/text.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/formats.h"
#include "tokenizer/hf_post_processor.h"
#include "tokenizer/hf_steps.h"
#include "tokenizer/merge_rules.h"
#include "tokenizer/sentencepiece.h"

namespace subquad::tokenizer {
namespace {

namespace fs = std::filesystem;
using models::JsonKeys;
using nlohmann::json;

// More ids than any vocabulary has.
constexpr std::int64_t most_ids = 1 << 21;

// What the file calls its tokens, by id, those added later too.
using Texts = std::vector<std::string>;

// Makes room for `id`.
std::size_t place_of(std::int64_t id, Texts& texts, const JsonKeys& keys, const char* key) {
  if (id < 0 || id >= most_ids) keys.fail(key, fmt::format("id {} is outside 0 to 2^21", id));
  const auto place = static_cast<std::size_t>(id);
  if (place >= texts.size()) texts.resize(place + 1);
  return place;
}

Texts read_texts(const JsonKeys& model) {
  const auto vocab = model.object("vocab");
  if (!vocab || vocab->json().empty()) model.fail("vocab", "is missing or empty");
  Texts texts;
  for (const auto& item : vocab->json().items()) {
    if (!item.value().is_number_integer())
      model.fail("vocab", io::in_quotes(item.key()) + " has no whole number");
    std::string& text = texts[place_of(item.value().get<std::int64_t>(), texts, model, "vocab")];
    if (!text.empty()) model.fail("vocab", io::in_quotes(item.key()) + " has another token's id");
    text = item.key();
  }
  return texts;
}

// "left right", or a list of both.
std::pair<std::string, std::string> parse_merge(const json& merge, const JsonKeys& model) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  const std::string text = merge.is_string() ? merge.get<std::string>() : "";
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) model.fail("merges", merge.dump() + " is no pair");
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_merges(const JsonKeys& model, const Texts& texts, Vocabulary& vocabulary) {
  const json* merges = model.find("merges");
  if (merges == nullptr || !merges->is_array()) model.fail("merges", "must be a list");
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const json& merge : *merges) pairs.push_back(parse_merge(merge, model));
  vocabulary.merges = rules_of_pairs(texts, pairs, model.where() + ": merges");
}

void require_plain_model(const JsonKeys& model) {
  if (model.text("type").value_or("BPE") != "BPE")
    model.fail("type", io::in_quotes(*model.text("type")) + " is not supported, must be BPE");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text(key).value_or("").empty()) model.fail(key, "is not supported");
  if (const double dropout = model.number("dropout").value_or(0); dropout != 0)
    model.fail("dropout", fmt::format("{} is not supported: its tokens are random", dropout));
}

Piece piece_of(const std::string& text, bool byte_fallback, Units units) {
  if (text.empty()) return {"", PieceKind::unused};
  if (units == Units::bytes) return {from_byte_alphabet(text).value_or(text), PieceKind::normal};
  const int byte = byte_fallback ? byte_named(text) : -1;
  if (byte >= 0) return {std::string(1, static_cast<char>(byte)), PieceKind::byte};
  return {with_spaces(text), PieceKind::normal};
}

std::optional<int> id_of(const std::string& text, const Texts& texts) {
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (text.empty() || found == texts.end()) return std::nullopt;
  return static_cast<int>(found - texts.begin());
}

void read_unknown(const JsonKeys& model, const Texts& texts, Vocabulary& vocabulary) {
  const std::string name = model.text("unk_token").value_or("");
  if (name.empty()) return;
  vocabulary.unknown = id_of(name, texts);
  if (!vocabulary.unknown) model.fail("unk_token", io::in_quotes(name) + " is no token of vocab");
  vocabulary.pieces[static_cast<std::size_t>(*vocabulary.unknown)].kind = PieceKind::unknown;
  const auto bytes = std::count_if(vocabulary.pieces.begin(), vocabulary.pieces.end(),
                                   [](const Piece& p) { return p.kind == PieceKind::byte; });
  if (model.flag("fuse_unk").value_or(false) && bytes < 256)
    model.fail("fuse_unk", "is not supported without a token for each byte");
}

Texts read_model(const JsonKeys& root, Vocabulary& vocabulary) {
  const auto model = root.object("model");
  if (!model) root.fail("model", "is missing");
  require_plain_model(*model);
  Texts texts = read_texts(*model);
  const bool byte_fallback = model->flag("byte_fallback").value_or(false);
  for (const std::string& text : texts)
    vocabulary.pieces.push_back(piece_of(text, byte_fallback, vocabulary.units));
  read_merges(*model, texts, vocabulary);
  vocabulary.whole_words = model->flag("ignore_merges").value_or(false);
  read_unknown(*model, texts, vocabulary);
  return texts;
}

void read_added_token(const JsonKeys& token, Texts& texts, Vocabulary& vocabulary) {
  const auto text = token.text("content");
  const auto id = token.whole("id");
  if (!text || text->empty() || !id) token.fail("content", "an id and a text are needed");
  for (const char* key : {"single_word", "lstrip", "rstrip"})
    if (token.flag(key).value_or(false)) token.fail(key, "true is not supported");
  const std::size_t place = place_of(*id, texts, token, "id");
  vocabulary.pieces.resize(std::max(vocabulary.pieces.size(), texts.size()),
                           {"", PieceKind::unused});
  const bool own = texts[place].empty() || texts[place] == *text;
  if (!own && vocabulary.pieces[place].bytes != *text)
    token.fail("id", fmt::format("{} of {} is the id of {} already", place, io::in_quotes(*text),
                                 io::in_quotes(texts[place])));
  texts[place] = *text;
  const bool unknown = vocabulary.pieces[place].kind == PieceKind::unknown;
  const bool special = token.flag("special").value_or(false);
  const PieceKind named = special ? PieceKind::control : PieceKind::user_defined;
  vocabulary.pieces[place] = {*text, unknown ? PieceKind::unknown : named};
}

// A token's name, alone or as `content` of an object.
std::string token_name(const JsonKeys& config, const char* key) {
  const json* value = config.find(key);
  if (value == nullptr) return "";
  if (value->is_object()) return JsonKeys(*value, config.where()).text("content").value_or("");
  return config.text(key).value_or("");
}

// One template, or the one called default of several.
std::string read_template(const JsonKeys& config) {
  const json* value = config.find("chat_template");
  if (value == nullptr || !value->is_array()) return config.text("chat_template").value_or("");
  for (const json& entry : *value) {
    const JsonKeys named(entry, config.where() + ": chat_template");
    if (named.text("name") == "default") return named.text("template").value_or("");
  }
  return "";
}

// What the model expects around a text: `config`, tokenizer_config.json's, decides where it says
// something, else the post-processor.
void read_text_ends(const JsonKeys& root, const JsonKeys& config, const Texts& texts,
                    Vocabulary& vocabulary) {
  const PostProcessor around = read_hf_post_processor(root, texts);
  const auto adds_bos = config.flag("add_bos_token");
  if (around.before && (!adds_bos || !vocabulary.bos)) vocabulary.bos = around.before;
  vocabulary.adds_bos = adds_bos.value_or(around.before.has_value());
  const auto adds_eos = config.flag("add_eos_token");
  if (adds_eos.value_or(false)) config.fail("add_eos_token", "true is not supported");
  if (!adds_eos && !around.after.empty())
    root.fail("post_processor", io::in_quotes(around.after) + " after a text is not supported");
}

// Nothing where `path` is not there: {}.
void read_tokenizer_config(const fs::path& path, const JsonKeys& root, const Texts& texts,
                           Vocabulary& vocabulary) {
  const std::string where = io::printable(path.string());
  std::error_code ignored;
  const json parsed =
      fs::exists(path, ignored) ? models::parse_json_file(path.string(), where) : json::object();
  const JsonKeys config(parsed, where);
  vocabulary.bos = id_of(token_name(config, "bos_token"), texts);
  vocabulary.eos = id_of(token_name(config, "eos_token"), texts);
  read_text_ends(root, config, texts, vocabulary);
  vocabulary.chat_template = read_template(config);
}

// eos_token_id of the model's config.json, a number or a list of them; nothing where the file is
// not there.
void read_ends(const fs::path& path, Vocabulary& vocabulary) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  const std::string where = io::printable(path.string());
  const json parsed = models::parse_json_file(path.string(), where);
  const JsonKeys config(parsed, where);
  const json* value = config.find("eos_token_id");
  if (value == nullptr) return;
  for (const json& id : value->is_array() ? *value : json::array({*value})) {
    if (!id.is_number_integer())
      config.fail("eos_token_id", "must be a whole number or a list of them");
    const auto token = id.get<std::int64_t>();
    if (token < 0 || token >= std::ssize(vocabulary.pieces))
      config.fail("eos_token_id",
                  fmt::format("{} is outside 0 to {}", id.dump(), vocabulary.pieces.size() - 1));
    vocabulary.more_ends.push_back(static_cast<int>(token));
  }
}

}  // namespace

Vocabulary read_hf_vocabulary(const std::string& folder) {
  const fs::path place(folder);
  const std::string path = (place / "tokenizer.json").string();
  const json parsed = models::parse_json_file(path, io::printable(path));
  const JsonKeys root(parsed, io::printable(path));
  Vocabulary vocabulary;
  vocabulary.label = root.where();
  read_hf_steps(root, vocabulary);
  Texts texts = read_model(root, vocabulary);
  if (const json* added = root.find("added_tokens"))
    for (const json& token : *added)
      read_added_token(JsonKeys(token, root.where() + ": added_tokens"), texts, vocabulary);
  read_tokenizer_config(place / "tokenizer_config.json", root, texts, vocabulary);
  read_ends(place / "config.json", vocabulary);
  for (const char* name : {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"})
    if (!vocabulary.end_of_turn) vocabulary.end_of_turn = id_of(name, texts);
  return vocabulary;
}

}  // namespace subquad::tokenizer
