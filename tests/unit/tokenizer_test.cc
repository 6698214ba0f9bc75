// Tokenizers built by hand: words, merges, special tokens, bytes, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "gguf/file.h"
#include "support/tokenizer_files.h"
#include "tokenizer/formats.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"
#include "tokenizer/word_splitter.h"
#include "unit/io_support.h"

namespace subquad::tokenizer {
namespace {

using testing::ByteLevelTokens;
using testing::ByteList;
using testing::GgufBuilder;
using Ids = std::vector<int>;

Tokenizer tokenizer_of(const GgufBuilder& builder) {
  const ByteList bytes = builder.build();
  const auto file = gguf::File::parse(std::as_bytes(std::span(bytes)), "t.gguf");
  return Tokenizer(read_gguf_vocabulary(file.metadata()));
}

void expect_refused(const GgufBuilder& builder, const std::string& expected) {
  SCOPED_TRACE(expected);
  io::expect_error([&] { (void)tokenizer_of(builder); }, "t.gguf: " + expected);
}

std::vector<std::string> words_of(const std::string& pre, const std::string& text) {
  const WordSplitter splitter(*find_word_patterns(pre), pre);
  std::vector<std::string_view> words;
  splitter.split(text, words);
  return {words.begin(), words.end()};
}

using Words = std::vector<std::string>;

TEST(TokenizerWords, Gpt2) {
  EXPECT_EQ(words_of("gpt-2", "I'll say  hello, world!!\n\n  x 123abc"),
            (Words{"I", "'ll", " say", " ", " hello", ",", " world", "!!", "\n\n ", " x", " 123",
                   "abc"}));
  EXPECT_EQ(words_of("gpt-2", "I'LL"), (Words{"I", "'", "LL"}));
  EXPECT_EQ(words_of("gpt-2", "end  "), (Words{"end", "  "}));
  EXPECT_EQ(words_of("gpt-2", "Ünï çé ½٣"), (Words{"Ünï", " çé", " ½٣"}));
}

// U+0085 and U+3000 are white space, U+180E and U+200B are not.
TEST(TokenizerWords, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(words_of("gpt-2", "a\u0085\u3000b"), (Words{"a", "\u0085", "\u3000", "b"}));
  EXPECT_EQ(words_of("gpt-2", "a\u180Eb"), (Words{"a", "\u180E", "b"}));
  EXPECT_EQ(words_of("gpt-2", "a \u180E\u200Bb"), (Words{"a", " \u180E\u200B", "b"}));
}

TEST(TokenizerWords, SmollmTakesDigitsOneByOne) {
  EXPECT_EQ(words_of("smollm", "in 2024,½ x"),
            (Words{"in", " ", "2", "0", "2", "4", ",", "½", " x"}));
}

TEST(TokenizerWords, Llama3) {
  EXPECT_EQ(words_of("llama-bpe", "I'LL pay $12345\r\n\n  now (ok)"),
            (Words{"I", "'LL", " pay", " $", "123", "45", "\r\n\n", " ", " now", " (", "ok", ")"}));
}

TEST(TokenizerWords, Qwen2) {
  EXPECT_EQ(words_of("qwen2", "x12  y.\n"), (Words{"x", "1", "2", " ", " y", ".\n"}));
}

TEST(TokenizerWords, Default) {
  EXPECT_EQ(words_of("default", "a+b 12345..."), (Words{"a", "+", "b", " ", "123", "45", "..."}));
}

// Cutting loses nothing, whatever the text.
TEST(TokenizerWords, JoinedTheyAreTheText) {
  std::mt19937 draw(3);
  const Words parts{"a",
                    "B",
                    "'s",
                    "'",
                    " ",
                    "  ",
                    "\n",
                    "\r\n",
                    "7",
                    "½",
                    "é",
                    "漢",
                    "🎉",
                    "\u0301",
                    "\u00A0",
                    "\t",
                    "!",
                    "_",
                    std::string(1, '\0'),
                    "\u2028"};
  for (const std::string& pre : word_pattern_names()) {
    for (int round = 0; round < 50; ++round) {
      std::string text, joined;
      for (int i = 0; i < 40; ++i) text += parts[draw() % parts.size()];
      for (const std::string& word : words_of(pre, text)) {
        EXPECT_FALSE(word.empty());
        joined += word;
      }
      ASSERT_EQ(joined, text) << pre;
    }
  }
}

const ByteLevelTokens abc{{{"b", "c"}, {"a", "b"}, {"ab", "c"}, {" ", "a"}, {"a", "a"}},
                          {"<|end|>", "<|end|>>"}};

TEST(Tokenizer, MergesByRankThenFromTheLeft) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2"));
  // "b c" comes before "a b", although "ab c" would cover more.
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{'a', abc.merged(0)}));
  EXPECT_EQ(tokenizer.encode("abab"), (Ids{abc.merged(1), abc.merged(1)}));
  EXPECT_EQ(tokenizer.encode("aaa"), (Ids{abc.merged(4), 'a'}));
  EXPECT_EQ(tokenizer.encode("b ab"), (Ids{'b', ' ', abc.merged(1)}));
  EXPECT_EQ(tokenizer.encode("b ac"), (Ids{'b', abc.merged(3), 'c'}));
  EXPECT_EQ(tokenizer.encode(""), Ids());
}

// The n^2 way: look at all neighbours each time.
Ids merge_slowly(const std::string& word) {
  Ids ids(word.begin(), word.end());
  const auto text_of = [&](int id) {
    if (id < 256) return std::string(1, static_cast<char>(id));
    const auto& merge = abc.merges[static_cast<std::size_t>(id - 256)];
    return merge.first + merge.second;
  };
  for (;;) {
    std::size_t best = abc.merges.size(), at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      for (std::size_t m = 0; m < best; ++m)
        if (text_of(ids[i]) == abc.merges[m].first && text_of(ids[i + 1]) == abc.merges[m].second) {
          best = m;
          at = i;
        }
    if (best == abc.merges.size()) return ids;
    ids[at] = abc.merged(best);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Tokenizer, MergesAsLookingAtAllNeighboursDoes) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2"));
  std::mt19937 draw(5);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (std::uint32_t i = 0; i < 1 + draw() % 40; ++i) word += "abc"[draw() % 3];
    ASSERT_EQ(tokenizer.encode(word), merge_slowly(word)) << word;
  }
}

TEST(Tokenizer, ALongWordTakesNoQuadraticTime) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2"));
  const std::string word(1 << 20, 'a');  // n^2 would take hours
  EXPECT_EQ(tokenizer.encode(word), Ids(1 << 19, abc.merged(4)));
  const std::string spaces(1 << 20, ' ');
  EXPECT_EQ(tokenizer.encode(spaces).size(), spaces.size());
}

TEST(Tokenizer, WholeWordsComeFirstWhereTheFileSaysSo) {
  ByteLevelTokens tokens{{{"b", "c"}, {"a", "b"}, {"ab", "c"}}, {}};
  EXPECT_EQ(tokenizer_of(testing::byte_level_gguf(tokens, "llama-bpe")).encode("abc"),
            Ids{tokens.merged(2)});
  EXPECT_EQ(tokenizer_of(testing::byte_level_gguf(tokens, "qwen2")).encode("abc"),
            (Ids{'a', tokens.merged(0)}));
}

TEST(Tokenizer, ControlTokensAreTextUnlessAskedFor) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2"));
  const std::string text = "a<|end|>b<|end|>>";
  const Ids plain = tokenizer.encode(text);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), abc.named(0)), 0);
  EXPECT_EQ(tokenizer.decode(plain), text);
  const Ids special = tokenizer.encode(text, {.special = true});
  EXPECT_EQ(special, (Ids{'a', abc.named(0), 'b', abc.named(1)}));
  EXPECT_EQ(tokenizer.decode(special), "ab");
  EXPECT_EQ(tokenizer.name_of(abc.named(0)), "<|end|>");
  EXPECT_EQ(tokenizer.end_of_turn(), abc.named(0));
}

TEST(Tokenizer, UserDefinedTokensAreAlwaysFound) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2", 4));
  EXPECT_EQ(tokenizer.encode("<|end|>"), Ids{abc.named(0)});
  EXPECT_EQ(tokenizer.decode(Ids{abc.named(0)}), "<|end|>");
}

TEST(Tokenizer, BytesThatAreNoUtf8PassThrough) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "smollm"));
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::mt19937 draw(9);
  for (int round = 0; round < 200; ++round) {
    std::shuffle(all.begin(), all.end(), draw);
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(all)), all);
  }
  EXPECT_EQ(tokenizer.encode("a\xFF"), (Ids{'a', 0xFF}));
}

TEST(Tokenizer, BytesWithoutAPieceAreLeftOut) {
  GgufBuilder file;
  file.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b", "ab"});
  file.texts("tokenizer.ggml.merges", {"a b"});
  // As Hugging Face does: what is left is side by side.
  EXPECT_EQ(tokenizer_of(file).encode("aXb"), (Ids{2}));
}

// options.most cuts ids, never changes them: at every length of texts with words, no words, special
// tokens and bytes that are no UTF-8.
TEST(Tokenizer, FirstIdsAreThoseOfTheWhole) {
  std::vector<Tokenizer> tokenizers;
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2"})
    tokenizers.push_back(tokenizer_of(testing::byte_level_gguf(abc, pre)));
  tokenizers.push_back(tokenizer_of(
      testing::sentencepiece_gguf({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"ab", -2}})));
  for (const Tokenizer& tokenizer : tokenizers)
    for (const std::string text :
         {"abc ab  abcabc 12 a's\n\n b", "ab<|end|> ab<|end|>>b c\xFF\xC3 ab"})
      for (const bool special : {false, true}) {
        const Ids whole = tokenizer.encode(text, {.special = special});
        for (std::size_t most = 0; most <= whole.size() + 2; ++most) {
          const Ids first = tokenizer.encode(text, {.special = special, .most = most});
          const auto end = static_cast<std::ptrdiff_t>(std::min(most, whole.size()));
          EXPECT_EQ(first, Ids(whole.begin(), whole.begin() + end)) << most;
        }
      }
}

TEST(Tokenizer, BeginsWithBosWhereAsked) {
  GgufBuilder file = testing::byte_level_gguf(abc, "gpt-2");
  const Tokenizer without = tokenizer_of(file);
  EXPECT_EQ(without.bos(), std::nullopt);
  io::expect_error([&] { (void)without.encode("a", {.bos = true}); }, "no token for the beginning");
  file.number("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(abc.named(1)));
  file.number("tokenizer.ggml.eot_token_id", std::uint32_t{7});
  file.number("tokenizer.ggml.add_bos_token", true).text("tokenizer.chat_template", "{{ x }}");
  const Tokenizer with = tokenizer_of(file);
  EXPECT_EQ(with.encode("b", {.bos = true}), (Ids{abc.named(1), 'b'}));
  EXPECT_EQ(with.end_of_turn(), 7);
  EXPECT_TRUE(with.adds_bos());
  EXPECT_EQ(with.chat_template(), "{{ x }}");
  EXPECT_EQ(with.size(), 256 + 5 + 2);
}

TEST(Tokenizer, RefusesIdsThatAreNone) {
  const Tokenizer tokenizer = tokenizer_of(testing::byte_level_gguf(abc, "gpt-2"));
  for (const int id : {-1, 263, std::numeric_limits<int>::max()})
    io::expect_error([&] { (void)tokenizer.decode(Ids{id}); }, "is outside 0 to 262");
}

const std::vector<std::pair<std::string, float>> low_first{{"\u2581", -9},  {"a", -9},  {"b", -9},
                                                           {"c", -9},       {"ab", -2}, {"bc", -1},
                                                           {"\u2581a", -3}, {"é", -9},  {"xy", -4}};
enum SentencePieceId { space = 259, a, b, c, ab, bc, space_a, e_acute, xy };

TEST(Tokenizer, SentencePieceMergesByScore) {
  const Tokenizer tokenizer = tokenizer_of(testing::sentencepiece_gguf(low_first));
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{space_a, bc}));
  EXPECT_EQ(tokenizer.encode("b ab"), (Ids{space, b, space, ab}));
  EXPECT_EQ(tokenizer.encode("bcé", {.bos = true}), (Ids{1, space, bc, e_acute}));
  EXPECT_EQ(tokenizer.encode(""), Ids());
  EXPECT_TRUE(tokenizer.adds_bos());
}

TEST(Tokenizer, SentencePieceFallsBackToBytes) {
  const Tokenizer tokenizer = tokenizer_of(testing::sentencepiece_gguf(low_first));
  EXPECT_EQ(tokenizer.encode("ü\n"), (Ids{space, 3 + 0xC3, 3 + 0xBC, 3 + 0x0A}));
  EXPECT_EQ(tokenizer.encode("\xFFz"), (Ids{space, 3 + 0xFF, 3 + 'z'}));
  // A piece of characters that are no pieces themselves.
  EXPECT_EQ(tokenizer.encode("xyx"), (Ids{space, xy, 3 + 'x'}));
  // Names of tokens are text.
  EXPECT_EQ(tokenizer.encode("<s>").size(), 4u);
  EXPECT_EQ(tokenizer.encode("<0x41>").size(), 7u);
}

TEST(Tokenizer, SentencePieceDecodesWhatItEncoded) {
  const Tokenizer tokenizer = tokenizer_of(testing::sentencepiece_gguf(low_first));
  for (const std::string text : {"abc", " a", "  b ", "ünï\n漢🎉", "<s>", "\xFF\xC3"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, {.bos = true})), text);
  }
  EXPECT_EQ(tokenizer.encode("a\u2581b"), tokenizer.encode("a b"));
}

TEST(Tokenizer, RefusesGgufFilesByKey) {
  const auto plain = [] { return testing::byte_level_gguf(abc, "gpt-2"); };
  expect_refused(GgufBuilder(), "tokenizer.ggml.tokens: is missing or empty");
  expect_refused(testing::byte_level_gguf(abc, "klingon"),
                 "tokenizer.ggml.pre: \"klingon\" is not supported, we know");
  expect_refused(plain().number("tokenizer.ggml.bos_token_id", std::uint32_t{263}),
                 "tokenizer.ggml.bos_token_id: 263 is no token");
  GgufBuilder file;
  file.text("tokenizer.ggml.model", "bert").texts("tokenizer.ggml.tokens", {"a"});
  expect_refused(file, "tokenizer.ggml.model: \"bert\" is not supported");
  file = GgufBuilder();
  file.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b"});
  expect_refused(file, "tokenizer.ggml.merges: is missing");
  GgufBuilder other = file;
  expect_refused(other.texts("tokenizer.ggml.merges", {"ab"}),
                 "tokenizer.ggml.merges: \"ab\" is no pair");
  other = file;
  expect_refused(other.texts("tokenizer.ggml.merges", {"a b"}),
                 "tokenizer.ggml.merges: entry 0: \"ab\" is no token");
  other = file;
  other.texts("tokenizer.ggml.merges", {}).numbers<std::int32_t>("tokenizer.ggml.token_type", {1});
  expect_refused(other, "tokenizer.ggml.token_type: has 1 entries for 2 tokens");
  other = file;
  other.numbers<std::int32_t>("tokenizer.ggml.token_type", {1, 7});
  expect_refused(other, "tokenizer.ggml.token_type: 7 is no type of token");
  other = GgufBuilder();
  other.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"a", "b"});
  expect_refused(other, "tokenizer.ggml.scores: has 0 entries for 2 tokens");
  other.numbers<std::int32_t>("tokenizer.ggml.token_type", {1, 6});
  expect_refused(other, "tokenizer.ggml.tokens: \"b\" names no byte");
}

TEST(Tokenizer, RefusesGgufScoresThatAreNotFinite) {
  for (const float score : {NAN, INFINITY, -INFINITY})
    expect_refused(testing::sentencepiece_gguf({{"a", 0}, {"b", score}}),
                   "tokenizer.ggml.scores: the score of token 260 is not finite");
}

// Padding with unused tokens of one name is no matter.
TEST(Tokenizer, RefusesEqualNormalTokensOfGguf) {
  expect_refused(testing::sentencepiece_gguf({{"a", 0}, {"b", 0}, {"a", -1}}),
                 "tokenizer.ggml.tokens: tokens 259 and 261 are both \"a\"");
  GgufBuilder file;
  file.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b", "b", "b"});
  file.texts("tokenizer.ggml.merges", {});
  GgufBuilder other = file;
  expect_refused(other, "tokenizer.ggml.tokens: tokens 1 and 2 are both \"b\"");
  file.numbers<std::int32_t>("tokenizer.ggml.token_type", {1, 1, 5, 5});
  EXPECT_EQ(tokenizer_of(file).encode("ab"), (Ids{0, 1}));
}

ByteList llama2c_tokens(const std::vector<std::pair<std::string, float>>& pieces) {
  ByteList bytes;
  testing::put_value(bytes, std::int32_t{7});
  for (const auto& [text, score] : pieces) {
    testing::put_value(bytes, score);
    testing::put_value(bytes, static_cast<std::int32_t>(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return bytes;
}

TEST(Tokenizer, ReadsLlama2c) {
  const io::TemporaryFolder folder;
  io::write_whole(folder / "tokenizer.bin", llama2c_tokens({{"<unk>", 0},
                                                            {"\n<s>\n", 0},
                                                            {"\n</s>\n", 0},
                                                            {" ", -1},
                                                            {"a", -2},
                                                            {"b", -3},
                                                            {" a", -4},
                                                            {"ab", -5}}));
  const Tokenizer tokenizer = load_tokenizer(folder / "model.bin");
  EXPECT_EQ(tokenizer.encode("ab a", {.bos = true}), (Ids{1, 6, 5, 6}));
  // Without pieces for bytes, a character outside is unknown, however many bytes it has.
  EXPECT_EQ(tokenizer.encode("aéb"), (Ids{6, 0, 5}));
  EXPECT_EQ(tokenizer.eos(), 2);
}

TEST(Tokenizer, RefusesLlama2cFilesCutAnywhere) {
  const ByteList whole =
      llama2c_tokens({{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}, {"abc", -1}});
  const auto parse = [](const ByteList& bytes) {
    return parse_llama2c_vocabulary(std::as_bytes(std::span(bytes)), "tokenizer.bin");
  };
  EXPECT_EQ(parse(whole).pieces.size(), 4u);
  const std::size_t three = whole.size() - 11;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (size == three) continue;  // the file of three pieces
    const ByteList cut(whole.begin(), whole.begin() + std::ptrdiff_t(size));
    EXPECT_THROW((void)parse(cut), Error) << size;
  }
  ByteList wild = whole;
  io::put(wild, 8, std::int32_t{-1});
  io::expect_error([&] { (void)parse(wild); }, "tokenizer.bin: piece 0: truncated");
  io::put(wild, 4, std::numeric_limits<float>::quiet_NaN());
  io::expect_error([&] { (void)parse(wild); }, "tokenizer.bin: piece 0: its score is not finite");
}

TEST(Utf8, KnowsEveryCodePointAndNothingElse) {
  for (char32_t point = 0; point < 0x110000; ++point) {
    std::string text;
    append_utf8(point, text);
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    ASSERT_EQ(character_bytes(text), surrogate ? 0 : text.size()) << std::uint32_t(point);
    if (surrogate) continue;
    ASSERT_EQ(code_point(text), point);
  }
  for (const std::string bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
                                "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x96", "\xC3"})
    EXPECT_EQ(character_bytes(bad), 0u);
  EXPECT_EQ(valid_bytes("aé\xFF"
                        "b"),
            3u);
}

}  // namespace
}  // namespace subquad::tokenizer
