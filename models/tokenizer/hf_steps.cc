#include "tokenizer/hf_steps.h"

#include <fmt/format.h>

#include "io/text.h"
#include "tokenizer/word_splitter.h"

namespace subquad::tokenizer {
namespace {

using models::JsonKeys;

constexpr const char* visible_space = "\xE2\x96\x81";  // U+2581

std::string type_of(const JsonKeys& step) {
  const auto type = step.text("type");
  if (!type) step.fail("type", "is missing");
  return *type;
}

[[noreturn]] void fail_step(const JsonKeys& step) {
  step.fail("type", io::in_quotes(type_of(step)) + ": this step is not supported as it is set");
}

// Composed characters (Qwen2); spaces that are seen as U+2581, of which one may come first (Llama
// 2).
void read_normalizer(const JsonKeys& step, Vocabulary& vocabulary) {
  const std::string type = type_of(step);
  const auto pattern = step.object("pattern");
  if (type == "NFC")
    vocabulary.composes = true;
  else if (type == "Prepend" && step.text("prepend") == visible_space)
    vocabulary.space_prefix = SpacePrefix::each;
  else if (!(type == "Replace" && pattern && pattern->text("String") == " " &&
             step.text("content") == visible_space))
    fail_step(step);
}

void read_metaspace(const JsonKeys& step, Vocabulary& vocabulary) {
  if (step.text("replacement").value_or(visible_space) != visible_space) fail_step(step);
  const bool old_prefix = step.flag("add_prefix_space").value_or(true);
  const std::string scheme = step.text("prepend_scheme").value_or(old_prefix ? "always" : "never");
  if (scheme == "always")
    vocabulary.space_prefix = SpacePrefix::unless_space;
  else if (scheme == "first")
    vocabulary.space_prefix = SpacePrefix::first;
  else if (scheme != "never")
    fail_step(step);
  if (step.flag("split").value_or(true)) vocabulary.word_patterns.emplace_back(" [^ ]*|[^ ]+");
}

std::string read_pattern(const JsonKeys& step) {
  const auto pattern = step.object("pattern");
  const auto regex = pattern ? pattern->text("Regex") : std::nullopt;
  const bool plain = step.text("behavior") == "Isolated" && !step.flag("invert").value_or(false);
  if (!regex || !plain) fail_step(step);
  return *regex;
}

// Byte-level steps end the list: what follows would see other characters.
void read_byte_level(const JsonKeys& step, Vocabulary& vocabulary) {
  if (step.flag("add_prefix_space").value_or(true)) {
    if (!vocabulary.word_patterns.empty()) fail_step(step);
    vocabulary.space_prefix = SpacePrefix::unless_space;
  }
  if (step.flag("use_regex").value_or(true))
    vocabulary.word_patterns.push_back(find_word_patterns("gpt-2")->front());
  vocabulary.units = Units::bytes;
}

void read_pre_tokenizer(const JsonKeys& step, Vocabulary& vocabulary) {
  const std::string type = type_of(step);
  if (vocabulary.units == Units::bytes) fail_step(step);
  if (type == "ByteLevel")
    read_byte_level(step, vocabulary);
  else if (type == "Metaspace")
    read_metaspace(step, vocabulary);
  else if (type == "Digits")
    vocabulary.word_patterns.emplace_back(
        step.flag("individual_digits").value_or(false) ? R"(\p{N})" : R"(\p{N}+)");
  else if (type == "Split")
    vocabulary.word_patterns.push_back(read_pattern(step));
  else
    fail_step(step);
}

}  // namespace

void each_step(const JsonKeys& step, const char* list,
               const std::function<void(const JsonKeys&)>& use) {
  if (type_of(step) != "Sequence") return use(step);
  const nlohmann::json* steps = step.find(list);
  if (steps == nullptr || !steps->is_array()) step.fail(list, "must be a list");
  for (const nlohmann::json& inner : *steps) use(JsonKeys(inner, step.where() + ": " + list));
}

void read_hf_steps(const JsonKeys& root, Vocabulary& vocabulary) {
  vocabulary.units = Units::characters;
  bool spaces = false;
  if (const auto step = root.object("normalizer"))
    each_step(*step, "normalizers", [&](const JsonKeys& inner) {
      read_normalizer(inner, vocabulary);
      spaces = spaces || type_of(inner) != "NFC";
    });
  if (const auto step = root.object("pre_tokenizer"))
    each_step(*step, "pretokenizers",
              [&](const JsonKeys& inner) { read_pre_tokenizer(inner, vocabulary); });
  if (spaces && vocabulary.units == Units::bytes)
    root.fail("normalizer", "its spaces are not supported with byte-level pieces");
}

}  // namespace subquad::tokenizer
