// Tokens against the package tokenizers: words, whole tokenizers, the real model's.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "config/json_file.h"
#include "support/python.h"
#include "support/test_data.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_splitter.h"
#include "unit/io_support.h"

namespace subquad::tokenizer {
namespace {

using nlohmann::json;

class TokenizerPython : public ::testing::Test {
 protected:
  // Runs tokenizer_cases.py, which needs `packages`; null where they are missing.
  json cases(const std::string& packages, const std::string& action, const std::string& more = "") {
    const std::string python = testing::find_python(packages);
    if (python.empty()) return nullptr;
    const auto script = std::filesystem::path(__FILE__).parent_path() / "tokenizer_cases.py";
    const std::string command =
        python + " '" + script.string() + "' " + action + " '" + (folder_ / "") + "' " + more;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return models::parse_json_file(folder_ / "cases.json", "cases.json");
  }
  std::string in_folder(const std::string& name) const { return folder_ / name; }

 private:
  io::TemporaryFolder folder_;
};

// `cases`: [text, ids].
void expect_ids(const Tokenizer& tokenizer, const json& cases) {
  ASSERT_GT(cases.size(), 1000u);
  for (const json& entry : cases) {
    const auto text = entry[0].get<std::string>();
    ASSERT_EQ(tokenizer.encode(text), entry[1].get<std::vector<int>>()) << entry[0].dump();
  }
}

TEST_F(TokenizerPython, WordsAreThePackages) {
  const json cases = this->cases("tokenizers", "words");
  if (cases.is_null()) GTEST_SKIP() << "no python3 with the package tokenizers";
  ASSERT_EQ(cases.size(), 4u);
  for (const auto& item : cases.items()) {
    const WordSplitter splitter(*find_word_patterns(item.key()), item.key());
    for (const json& entry : item.value()) {
      const auto text = entry[0].get<std::string>();
      std::vector<std::string_view> words;
      if (!text.empty()) splitter.split(text, words);
      ASSERT_EQ((std::vector<std::string>{words.begin(), words.end()}),
                entry[1].get<std::vector<std::string>>())
          << item.key() << ": " << entry[0].dump();
    }
  }
}

TEST_F(TokenizerPython, TrainedTokenizersGiveTheSameIds) {
  for (const std::string kind : {"gpt-2", "smollm", "llama-bpe", "qwen2", "nfc", "prepend",
                                 "metaspace", "metaspace-whole"}) {
    SCOPED_TRACE(kind);
    const json cases = this->cases("tokenizers", "trained", kind);
    if (cases.is_null()) GTEST_SKIP() << "no python3 with the package tokenizers";
    expect_ids(load_tokenizer(in_folder("model.safetensors")), cases);
  }
}

TEST_F(TokenizerPython, RealModelGivesTheSameIds) {
  const std::string model = testing::smollm2_gguf();
  if (model.empty()) GTEST_SKIP() << testing::no_smollm2;
  std::string arguments = "'" + model + "'";
  for (const char* name : {"war_and_peace.txt", "wikitext2_test.txt", "tinyshakespeare.txt"}) {
    const std::string path = testing::shared_data("texts/" + std::string(name));
    if (!path.empty()) arguments += " '" + path + "'";
  }
  const json cases = this->cases("tokenizers, gguf", "gguf", arguments);
  if (cases.is_null()) GTEST_SKIP() << "no python3 with the packages tokenizers and gguf";
  expect_ids(load_tokenizer(model), cases);
}

}  // namespace
}  // namespace subquad::tokenizer
