#include "tokenizer/word_splitter.h"

#include <map>

namespace subquad::tokenizer {
namespace {

// English contractions, then letters, numbers or others with at most one space before, then white
// space but for the last before a word.
const std::string gpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The same with contractions in any case, any one other character before letters, `numbers` in a
// row, and line ends that stay with what is before them.
std::string gpt4(const std::string& numbers) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + numbers +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

const std::map<std::string, std::vector<std::string>>& table() {
  static const std::vector<std::string> digits_apart{R"(\p{N})", gpt2};
  static const std::vector<std::string> three_digits{gpt4(R"(\p{N}{1,3})")};
  static const std::vector<std::string> one_digit{gpt4(R"(\p{N})")};
  static const std::map<std::string, std::vector<std::string>> patterns{
      {"default", {R"([\p{P}\$\+<=>\^~\|]+)", gpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {"gpt-2", {gpt2}},
      {"mpt", {gpt2}},
      {"olmo", {gpt2}},
      {"smollm", digits_apart},
      {"starcoder", digits_apart},
      {"refact", digits_apart},
      {"command-r", digits_apart},
      {"codeshell", digits_apart},
      {"llama-bpe", three_digits},
      {"llama3", three_digits},
      {"llama-v3", three_digits},
      {"dbrx", three_digits},
      {"smaug-bpe", three_digits},
      {"qwen2", one_digit},
      {"deepseek-r1-qwen", one_digit},
      {"stablelm2", one_digit}};
  return patterns;
}

// Cuts each word by one pattern.
std::vector<std::string_view> cut(const std::vector<std::string_view>& words, const Regex& pattern,
                                  Regex::Scratch& scratch) {
  std::vector<std::string_view> pieces;
  pieces.reserve(words.size());
  for (const std::string_view word : words) {
    std::size_t done = 0;
    while (done < word.size()) {
      const Regex::Match match = pattern.find(word, done, scratch);
      const std::size_t begin = match.end > 0 ? match.begin : word.size();
      if (begin > done) pieces.push_back(word.substr(done, begin - done));
      if (match.end > 0) pieces.push_back(word.substr(begin, match.end - begin));
      done = match.end > 0 ? match.end : word.size();
    }
  }
  return pieces;
}

}  // namespace

const std::vector<std::string>* find_word_patterns(const std::string& name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : &found->second;
}

std::vector<std::string> word_pattern_names() {
  std::vector<std::string> names;
  for (const auto& [name, patterns] : table()) names.push_back(name);
  return names;
}

WordSplitter::WordSplitter(const std::vector<std::string>& patterns, const std::string& where) {
  for (const std::string& pattern : patterns) patterns_.emplace_back(pattern, where);
}

void WordSplitter::split(std::string_view text, std::vector<std::string_view>& words) const {
  words.assign(1, text);
  Regex::Scratch scratch;
  for (const Regex& pattern : patterns_) words = cut(words, pattern, scratch);
}

}  // namespace subquad::tokenizer
