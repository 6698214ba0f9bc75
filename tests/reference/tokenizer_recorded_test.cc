// Token ids that were recorded with other programs, of real models on real texts.
#include <gtest/gtest.h>

#include <sstream>

#include <nlohmann/json.hpp>

#include "config/json_file.h"
#include "subquad/io.h"
#include "support/test_data.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"
#include "unit/io_support.h"

namespace subquad::tokenizer {
namespace {

std::string text_of(const std::string& path) {
  const io::Bytes bytes = io::read_whole(path);
  return {bytes.begin(), bytes.end()};
}

std::string without_characters(const std::string& text, int count) {
  std::size_t at = 0;
  while (count-- > 0) at += character_bytes(std::string_view(text).substr(at));
  return text.substr(at);
}

TEST(TokenizerRecorded, SmolLM2OnTwoTexts) {
  const std::string model = testing::smollm2_gguf();
  if (model.empty()) GTEST_SKIP() << testing::no_smollm2;
  if (testing::shared_data("lm").empty()) GTEST_SKIP() << "no ../shared/data/lm";
  const Tokenizer tokenizer = load_tokenizer(model);
  for (const char* name : {"wikitext2", "war_and_peace"}) {
    const std::string path = testing::shared_data("lm/smollm2_" + std::string(name) + "_8192.json");
    const nlohmann::json record = models::parse_json_file(path, path);
    const std::string file = testing::shared_data("texts/" + record.at("text").get<std::string>());
    const std::string text = without_characters(text_of(file), record.at("skip_characters"));
    std::vector<int> ids = tokenizer.encode(text);
    EXPECT_EQ(tokenizer.decode(ids), text);
    ids.resize(8192);
    EXPECT_EQ(ids, record.at("ids").get<std::vector<int>>()) << name;
  }
}

TEST(TokenizerRecorded, Stories260KOnItsPassage) {
  const std::string passage = testing::shared_data("qkv/stories260k_passage.txt");
  if (passage.empty()) GTEST_SKIP() << "no ../shared/data/qkv";
  const Tokenizer tokenizer = load_tokenizer(testing::shared_data("stories260k/model.bin"));
  const io::TensorFile record =
      io::TensorFile::open(testing::shared_data("qkv/stories260k_layer0.safetensors"));
  std::istringstream numbers(record.metadata().at("token_ids"));
  std::vector<int> expected;
  for (int id = 0; numbers >> id;) expected.push_back(id);
  ASSERT_EQ(expected.size(), 512u);
  const std::string text = text_of(passage);
  EXPECT_EQ(tokenizer.encode(text, {.bos = true}), expected);
  EXPECT_EQ(tokenizer.decode(expected), text);
}

// babyllama has no piece for a line's end, and none for bytes.
TEST(TokenizerRecorded, BabyllamaReadsBackButForLineEnds) {
  const std::string model = testing::shared_data("babyllama/model.bin");
  if (model.empty()) GTEST_SKIP() << "no ../shared/data/babyllama";
  const Tokenizer tokenizer = load_tokenizer(model);
  std::string text = text_of(testing::shared_data("qkv/stories260k_passage.txt"));
  const std::vector<int> ids = tokenizer.encode(text);
  const auto unknown = std::count(ids.begin(), ids.end(), 0);
  EXPECT_EQ(unknown, std::count(text.begin(), text.end(), '\n'));
  for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n'))
    text.replace(at, 1, "<unk>");
  EXPECT_EQ(tokenizer.decode(ids), text);
}

}  // namespace
}  // namespace subquad::tokenizer
