// tokenizer.json: the same tokens as from the other formats, and what is refused.
#include <sys/stat.h>

#include <filesystem>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tokenizer_files.h"
#include "tokenizer/tokenizer.h"
#include "unit/io_support.h"

namespace subquad::tokenizer {
namespace {

using nlohmann::json;
using Ids = std::vector<int>;

class JsonFolder {
 public:
  json tokenizer, config;

  json model = nullptr;  // config.json; null: none

  Tokenizer load() const {
    io::write_text(folder_ / "tokenizer.json", tokenizer.dump());
    if (!config.is_null()) io::write_text(folder_ / "tokenizer_config.json", config.dump());
    if (!model.is_null()) io::write_text(folder_ / "config.json", model.dump());
    return load_tokenizer(folder_ / "model.safetensors");
  }

 private:
  io::TemporaryFolder folder_;
};

// The bytes, " a" and "ab"; `<|end|>` added as a control token.
json byte_level() {
  json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[testing::visible_byte(byte)] = byte;
  vocab[testing::visible_bytes(" a")] = 256;
  vocab["ab"] = 257;
  const json merges = {testing::visible_byte(' ') + " a", json::array({"a", "b"})};
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {digits, bytes}}}},
          {"added_tokens",
           {{{"id", 258}, {"content", "<|im_end|>"}, {"special", true}},
            {{"id", 260}, {"content", "<tab>"}, {"special", false}}}}};
}

TEST(TokenizerJson, ReadsByteLevel) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  const Tokenizer tokenizer = folder.load();
  EXPECT_EQ(tokenizer.encode("ab ab 12"), (Ids{257, 256, 'b', ' ', '1', '2'}));
  EXPECT_EQ(tokenizer.encode("<tab><|im_end|>", {.special = true}), (Ids{260, 258}));
  EXPECT_EQ(tokenizer.encode("<|im_end|>").size(), 10u);
  EXPECT_EQ(tokenizer.size(), 261);
  EXPECT_EQ(tokenizer.end_of_turn(), 258);
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
}

TEST(TokenizerJson, ComposesCharactersForQwen2) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  const std::string apart = "e\u0301\xFF", together = "\u00E9\xFF";
  EXPECT_EQ(folder.load().decode(folder.load().encode(apart)), apart);
  folder.tokenizer["normalizer"] = {{"type", "NFC"}};
  const Tokenizer tokenizer = folder.load();
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(apart)), together);
  EXPECT_EQ(tokenizer.encode(""), Ids());
}

// eos_token_id of config.json ends a text beside what tokenizer_config.json names.
TEST(TokenizerJson, ReadsTheEndsOfConfigJson) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  const auto ends = [&](const json& ids) {
    folder.model = {{"eos_token_id", ids}};
    const Tokenizer tokenizer = folder.load();
    Ids found;
    for (int id = 0; id < tokenizer.size(); ++id)
      if (tokenizer.ends_text(id)) found.push_back(id);
    return found;
  };
  EXPECT_EQ(ends(nullptr), Ids{258});  // <|im_end|>
  EXPECT_EQ(ends(7), (Ids{7, 258}));
  EXPECT_EQ(ends({257, 3, 258}), (Ids{3, 257, 258}));
  folder.config = {{"eos_token", "ab"}};
  EXPECT_EQ(ends(3), (Ids{3, 257, 258}));
  io::expect_error([&] { (void)ends("7"); }, "config.json: eos_token_id: must be a whole number");
  io::expect_error([&] { (void)ends({1, 2.5}); }, "config.json: eos_token_id: must be");
  io::expect_error([&] { (void)ends(261); }, "config.json: eos_token_id: 261 is outside 0 to 260");
  io::expect_error([&] { (void)ends({0, -1}); }, "config.json: eos_token_id: -1 is outside");
}

TEST(TokenizerJson, ReadsTokenizerConfig) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  folder.tokenizer["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "TemplateProcessing"},
         {"single",
          {{{"SpecialToken", {{"id", "<|im_end|>"}, {"type_id", 0}}}},
           {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}}}};
  folder.config = {
      {"bos_token", {{"content", "<|im_end|>"}}},
      {"eos_token", "<|im_end|>"},
      {"chat_template",
       {{{"name", "tool"}, {"template", "t"}}, {{"name", "default"}, {"template", "d"}}}}};
  const Tokenizer tokenizer = folder.load();
  EXPECT_EQ(tokenizer.bos(), 258);
  EXPECT_EQ(tokenizer.eos(), 258);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.chat_template(), "d");
  folder.config["add_bos_token"] = false;
  EXPECT_FALSE(folder.load().adds_bos());
}

// Of TemplateProcessing: `before`, the text, `after`.
json post_processor(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  json single = json::array();
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) single.push_back({{"SpecialToken", {{"id", name}}}});
  };
  add(before);
  single.push_back({{"Sequence", {{"id", "A"}}}});
  add(after);
  return {{"type", "TemplateProcessing"}, {"single", single}};
}

TEST(TokenizerJson, TakesBosFromTheTemplateUnlessToldOtherwise) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  folder.tokenizer["post_processor"] = post_processor({"<tab>"}, {});
  const auto expect = [&](std::optional<int> bos, bool adds) {
    SCOPED_TRACE(folder.config.dump());
    const Tokenizer tokenizer = folder.load();
    EXPECT_EQ(tokenizer.bos(), bos);
    EXPECT_EQ(tokenizer.adds_bos(), adds);
  };
  expect(260, true);
  folder.config = json::object();
  expect(260, true);
  folder.config = {{"bos_token", "<|im_end|>"}};
  expect(260, true);
  folder.config["add_bos_token"] = true;
  expect(258, true);
  folder.config["add_bos_token"] = false;
  expect(258, false);
  folder.config = {{"add_bos_token", true}};
  expect(260, true);
  folder.config = json::object();
  folder.tokenizer["post_processor"] = {{"type", "ByteLevel"}};
  expect(std::nullopt, false);
}

TEST(TokenizerJson, RefusesTokensAfterATextUnlessToldOtherwise) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  folder.tokenizer["post_processor"] = post_processor({}, {"<|im_end|>"});
  const std::string expected =
      "tokenizer.json: post_processor: \"<|im_end|>\" after a text is not supported";
  io::expect_error([&] { (void)folder.load(); }, expected);
  folder.config = {{"add_eos_token", false}};
  EXPECT_EQ(folder.load().encode("a"), Ids{'a'});
  folder.config = {{"add_eos_token", true}};
  io::expect_error([&] { (void)folder.load(); },
                   "tokenizer_config.json: add_eos_token: true is not supported");
}

TEST(TokenizerJson, RefusesFilesThatAreNone) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    const io::TemporaryFolder folder;
    io::write_text(folder / "tokenizer.json", byte_level().dump());
    std::filesystem::remove(folder / name);
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0);
    io::expect_error([&] { (void)load_tokenizer(folder / "model.safetensors"); },
                     std::string(name) + ": is not a regular file");
    std::filesystem::remove(folder / name);
    std::filesystem::create_symlink("/dev/zero", folder / name);
    io::expect_error([&] { (void)load_tokenizer(folder / "model.safetensors"); },
                     std::string(name) + ": is not a regular file");
  }
}

// Llama 2's kind: characters, bytes where there is none, spaces seen as U+2581.
json sentencepiece() {
  json vocab = {{"<unk>", 0}, {"\u2581", 257}, {"a", 258}, {"b", 259}, {"\u2581a", 260}};
  const char* digits = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte)
    vocab[std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">"] = 1 + byte;
  return {{"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", {"\u2581 a"}},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"fuse_unk", true}}},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Prepend"}, {"prepend", "\u2581"}},
              {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}}};
}

TEST(TokenizerJson, ReadsSentencePiece) {
  JsonFolder folder;
  folder.tokenizer = sentencepiece();
  const Tokenizer tokenizer = folder.load();
  EXPECT_EQ(tokenizer.encode("a b\n"), (Ids{260, 257, 259, 1 + '\n'}));
  EXPECT_EQ(tokenizer.encode(" a"), (Ids{257, 260}));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(" a é")), " a é");
}

TEST(TokenizerJson, ReadsMetaspace) {
  JsonFolder folder;
  folder.tokenizer = sentencepiece();
  folder.tokenizer["normalizer"] = nullptr;
  json& step = folder.tokenizer["pre_tokenizer"];
  step = {{"type", "Metaspace"},
          {"replacement", "\u2581"},
          {"prepend_scheme", "always"},
          {"split", false}};
  EXPECT_EQ(folder.load().encode(" a"), Ids{260});
  EXPECT_EQ(folder.load().encode("a"), Ids{260});
  step["prepend_scheme"] = "never";
  EXPECT_EQ(folder.load().encode("a"), Ids{258});
  step["prepend_scheme"] = "first";
  folder.tokenizer["added_tokens"] = {{{"id", 261}, {"content", "<x>"}, {"special", false}}};
  EXPECT_EQ(folder.load().encode("a<x>a"), (Ids{260, 261, 258}));
}

TEST(TokenizerJson, NamesWhatItCannotHonour) {
  const auto refuse = [](const std::string& pointer, const json& value,
                         const std::string& expected) {
    JsonFolder folder;
    folder.tokenizer = byte_level();
    folder.tokenizer[json::json_pointer(pointer)] = value;
    SCOPED_TRACE(pointer);
    io::expect_error([&] { (void)folder.load(); }, "tokenizer.json: " + expected);
  };
  refuse("/model", nullptr, "model: is missing");
  refuse("/model/type", "Unigram", "model: type: \"Unigram\" is not supported");
  refuse("/model/end_of_word_suffix", "</w>", "model: end_of_word_suffix: is not supported");
  refuse("/model/vocab/a", 98, "model: vocab: \"b\" has another token's id");
  refuse("/model/vocab/a", -1, "model: vocab: id -1 is outside");
  refuse("/model/vocab/a", 1 << 30, "model: vocab: id 1073741824 is outside");
  refuse("/model/vocab/a", "x", "model: vocab: \"a\" has no whole number");
  refuse("/model/merges/0", "xyz", "model: merges: \"xyz\" is no pair");
  refuse("/model/merges/0", "x y", "model: merges: entry 0: \"xy\" is no token");
  refuse("/normalizer",
         {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}},
         "normalizer: its spaces are not supported with byte-level pieces");
  refuse("/normalizer", {{"type", "NFD"}}, "normalizer: type: \"NFD\": this step is not supported");
  refuse("/pre_tokenizer", {{"type", "Whitespace"}}, "pre_tokenizer: type: \"Whitespace\": this");
  refuse("/pre_tokenizer/pretokenizers/0",
         {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}},
         "pattern \"(\"");
  refuse("/pre_tokenizer/pretokenizers/0",
         {{"type", "Split"}, {"pattern", {{"Regex", "a"}}}, {"behavior", "Removed"}},
         "pre_tokenizer: pretokenizers: type: \"Split\": this step is not supported as it is set");
  refuse("/added_tokens/0/lstrip", true, "added_tokens: lstrip: true is not supported");
  refuse("/added_tokens/0/id", 97, "added_tokens: id: 97 of \"<|im_end|>\" is the id of \"a\"");
  refuse("/added_tokens/1/id", 258, "added_tokens: id: 258 of \"<tab>\" is the id of \"<|im_");
  refuse("/model/dropout", 0.1, "model: dropout: 0.1 is not supported");
  refuse("/model/unk_token", "<unk>", "model: unk_token: \"<unk>\" is no token of vocab");
  refuse("/added_tokens/0/id", nullptr, "added_tokens: content: an id and a text are needed");
}

TEST(TokenizerJson, NamesPostProcessorsThatItCannotHonour) {
  const auto refuse = [](const json& processor, const std::string& expected) {
    JsonFolder folder;
    folder.tokenizer = byte_level();
    folder.tokenizer["post_processor"] = processor;
    io::expect_error([&] { (void)folder.load(); }, "tokenizer.json: post_processor: " + expected);
  };
  refuse({{"type", "RobertaProcessing"}}, "type: \"RobertaProcessing\": this step is not");
  refuse({{"type", "TemplateProcessing"}}, "single: must be a list");
  refuse(post_processor({"<s>"}, {}), "single: \"<s>\" is no token");
  refuse(post_processor({"<tab>", "<tab>"}, {}), "single: two tokens in a row are not supported");
  refuse(post_processor({}, {"<tab>", "<tab>"}), "single: two tokens in a row are not supported");
  json processor = post_processor({"<tab>"}, {});
  processor["special_tokens"]["<tab>"]["ids"] = {1};
  refuse(processor, "special_tokens: \"<tab>\" must have the ids [260], its own");
  processor = post_processor({}, {});
  processor["single"].push_back(processor["single"][0]);
  refuse(processor, "single: must have one Sequence");
}

// As the real files repeat the tokens of vocab that are special.
TEST(TokenizerJson, TakesAddedTokensOfTheVocabulary) {
  JsonFolder folder;
  folder.tokenizer = byte_level();
  folder.tokenizer["model"]["dropout"] = 0.0;
  folder.tokenizer["model"]["unk_token"] = "ab";
  folder.tokenizer["added_tokens"] = {{{"id", 257}, {"content", "ab"}, {"special", true}},
                                      {{"id", 256}, {"content", " a"}, {"special", true}}};
  EXPECT_EQ(folder.load().encode("ab a", {.special = true}), (Ids{257, 256}));
}

}  // namespace
}  // namespace subquad::tokenizer
