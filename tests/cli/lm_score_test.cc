// subquad lm score: log-likelihoods against `lm perplexity` and plain loops, contexts that are run
// once, merged boundaries, what it refuses, and stories260K.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "support.h"
#include "support/plain_llama.h"
#include "support/test_data.h"

namespace subquad::test {
namespace {

using Words = std::vector<std::string>;
using nlohmann::json;
using testing::shared_data;

// A folder with a random model of two layers and context 96.
class LmScoreTest : public CliTest {
 protected:
  LmScoreTest() {
    testing::RandomLlama(5).write(path("m.bin"));
    testing::RandomLlama::write_tokenizer(path("tokenizer.bin"));
  }

  void tasks(const std::vector<json>& lines) const {
    std::string text;
    for (const json& line : lines) text += line.dump() + "\n";
    write_text(path("t.jsonl"), text);
  }
  static Words score(const Words& more) {
    Words words{"lm", "score", "--model", "m.bin", "--tasks", "t.jsonl"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // `runs` of these tasks.
  json runs(const std::vector<json>& lines, const Words& more = {}) const {
    tasks(lines);
    return run_json(score(more))["runs"];
  }
  static double log_p(const json& run, std::size_t task, std::size_t choice = 0) {
    return run["scores"][task]["choices"][choice]["log_p"];
  }
  // Sum of log p over the tokens of a text but its first one.
  double whole_log_p(const std::string& text, const std::string& tokens) const {
    write_text(path("w.txt"), text);
    const json run = run_json(
        {"lm", "perplexity", "--model", "m.bin", "--text", "w.txt", "--tokens", tokens})["runs"][0];
    return -std::log(run["perplexity"].get<double>()) * (std::stod(tokens) - 1);
  }
};

// Letters without merges of their own: a token each, after the beginning token and a space.
const char* const kContext = "0123456789.0123456789.98";
constexpr int kContextTokens = 26;

TEST_F(LmScoreTest, IsWhatPerplexitySaysOfTheRest) {
  const json run = runs({{{"context", kContext}, {"question", "?!"}, {"continuation", "421"}},
                         {{"context", kContext}, {"continuation", "?"}},
                         {{"question", kContext}, {"continuation", "?"}}})[0];
  const auto tokens = [](int more) { return std::to_string(kContextTokens + more); };
  const std::string text = kContext;
  const double before = whole_log_p(text, tokens(0));
  EXPECT_NEAR(log_p(run, 0),
              whole_log_p(text + "?!421", tokens(5)) - whole_log_p(text + "?!", tokens(2)), 1e-3);
  EXPECT_NEAR(log_p(run, 1), whole_log_p(text + "?", tokens(1)) - before, 1e-3);
  EXPECT_NEAR(log_p(run, 2), log_p(run, 1), 1e-4);
  EXPECT_EQ(run["scores"][0]["choices"][0]["tokens"], 3);
  EXPECT_EQ(run["prefills"], 2);  // the third line's context is the beginning token
  EXPECT_EQ(run["prefill_tokens"], kContextTokens + 1);
  EXPECT_TRUE(run["accuracy_by_sum"].is_null());
  EXPECT_NEAR(run["mean_log_p_per_token"].get<double>(),
              (log_p(run, 0) / 3 + log_p(run, 1) + log_p(run, 2)) / 3, 1e-9);
}

// log p of a token after the others by double loops. Tokens: 1 begins a text, 259 is the space that
// comes before it, bytes are from 3 on, 264 is "ab", 265 "abc".
double plain_log_p(const std::vector<std::int32_t>& before, std::int32_t token) {
  const testing::RandomLlama weights(5);
  const testing::PlainLlama plain{weights};
  const std::vector<double> logits = plain.logits(plain.states(before).back());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  return logits[static_cast<std::size_t>(token)] - std::log(sum);
}

std::int32_t byte_token(char c) { return std::int32_t{c} + 3; }

TEST_F(LmScoreTest, MatchesPlainLoops) {
  const json run = runs({{{"context", "01"}, {"question", "2"}, {"choices", {"34", "5"}}}})[0];
  std::vector<std::int32_t> before{1, 259, byte_token('0'), byte_token('1'), byte_token('2')};
  const double three = plain_log_p(before, byte_token('3'));
  EXPECT_NEAR(log_p(run, 0, 1), plain_log_p(before, byte_token('5')), 1e-3);
  before.push_back(byte_token('3'));
  EXPECT_NEAR(log_p(run, 0, 0), three + plain_log_p(before, byte_token('4')), 1e-3);
}

// "c" makes "ab" another token, which is scored; what the tasks share ends before it.
TEST_F(LmScoreTest, MergedBoundaries) {
  const json run = runs({{{"context", "0ab"}, {"choices", {"c", "0"}}}})[0];
  const std::vector<std::int32_t> zero{1, 259, byte_token('0')};
  std::vector<std::int32_t> letters = zero;
  letters.push_back(264);
  EXPECT_NEAR(log_p(run, 0, 0), plain_log_p(zero, 265), 1e-3);
  EXPECT_NEAR(log_p(run, 0, 1), plain_log_p(letters, byte_token('0')), 1e-3);
  EXPECT_EQ(run["prefill_tokens"], 3);
  EXPECT_EQ(run["scores"][0]["choices"][0]["tokens"], 1);
  EXPECT_EQ(run["scores"][0]["choices"][0]["bytes"], 1);
}

// Tasks that share a context, and with it the cache, score as each does alone: the same bits.
TEST_F(LmScoreTest, SharedContextsChangeNoBit) {
  const Words method{"--method", "uniform(m=8)", "--seed", "3"};
  const std::vector<json> lines{
      {{"context", kContext}, {"question", "1+"}, {"choices", {"24", "68", "2"}}, {"answer", 0}},
      {{"context", kContext}, {"question", "(5"}, {"choices", {")6", "77777777"}}, {"answer", 1}},
      {{"context", kContext}, {"choices", {"4", "53"}}, {"answer", 0}}};
  const json together = runs(lines, method)[0];
  EXPECT_EQ(together["prefills"], 1);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const json alone = runs({lines[i]}, method)[0];
    for (std::size_t c = 0; c < lines[i]["choices"].size(); ++c)
      EXPECT_EQ(log_p(together, i, c), log_p(alone, 0, c)) << i << " " << c;
  }
  const json reversed = runs({lines[2], lines[1], lines[0]}, method)[0];
  EXPECT_EQ(log_p(reversed, 2, 1), log_p(together, 0, 1));
  EXPECT_EQ(runs(lines, {"--method", "uniform(m=8)", "--seed", "3", "--threads", "3"})[0]["scores"],
            together["scores"]);
}

// Windows of one key make a token depend on the one before alone.
TEST_F(LmScoreTest, MethodIsTheContextsAndDecodeTheRests) {
  const auto pair = [&](const Words& more) {
    const json run = runs({{{"context", "0000"}, {"question", "57"}, {"continuation", "8"}},
                           {{"context", "9999"}, {"question", "57"}, {"continuation", "8"}}},
                          more)[0];
    return std::vector<double>{log_p(run, 0), log_p(run, 1)};
  };
  const auto none = pair({"--method", "window(1)", "--decode", "window(1)"});
  EXPECT_EQ(none[0], none[1]);
  const auto half = pair({"--method", "window(1)"});
  EXPECT_NE(half[0], half[1]);
  const auto exact = pair({});
  EXPECT_NE(half, exact);
  EXPECT_NE(pair({"--method", "window(1)", "--layers", "last:1"}), half);
  EXPECT_NE(pair({"--decode", "window(1)"}), exact);
}

TEST_F(LmScoreTest, WinnersAndShares) {
  const std::vector<json> lines{
      {{"id", "x"}, {"context", "ab"}, {"choices", {"1", "11111111", "\xC3\xA9"}}, {"answer", 1}},
      {{"context", "ab"}, {"choices", {"7", "8"}}}};
  const json run = runs(lines, {"--method", "exact", "--method", "window(2)"});
  ASSERT_EQ(run.size(), 2u);
  EXPECT_EQ(run[1]["method"], "window(2)");
  EXPECT_EQ(run[1]["replaced"], (std::vector<int>{0, 1}));
  for (const json& one : run) {
    const json& score = one["scores"][0];
    const auto best = [&](const std::string& field) {
      std::size_t winner = 0;
      for (std::size_t c = 1; c < 3; ++c)
        if (score["choices"][c][field] > score["choices"][winner][field]) winner = c;
      return winner;
    };
    EXPECT_EQ(score["id"], "x");
    EXPECT_EQ(score["best_by_sum"], best("log_p"));
    EXPECT_EQ(score["best_by_token"], best("log_p_per_token"));
    EXPECT_EQ(score["best_by_byte"], best("log_p_per_byte"));
    EXPECT_EQ(score["right_by_sum"], best("log_p") == 1);
    EXPECT_EQ(one["accuracy_by_sum"], best("log_p") == 1 ? 1.0 : 0.0);
    EXPECT_EQ(score["choices"][1]["tokens"], 8);
    EXPECT_EQ(score["choices"][2]["bytes"], 2);
    EXPECT_NEAR(score["choices"][1]["log_p_per_token"].get<double>(), log_p(one, 0, 1) / 8, 1e-12);
    EXPECT_EQ(one["scores"][1]["id"], "2");
    EXPECT_TRUE(one["scores"][1]["right_by_sum"].is_null());
  }
  const Outcome table = CliTest::run(score({}));
  EXPECT_NE(table.out.find("2 tasks of t.jsonl, 1 contexts"), std::string::npos) << table.out;
}

TEST_F(LmScoreTest, Count) {
  tasks({{{"id", "q"}, {"context", kContext}, {"question", "?"}, {"choices", {"12", "3"}}}});
  const json counts = run_json(score({"--count"}))["counts"];
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0]["id"], "q");
  EXPECT_EQ(counts[0]["context_tokens"], kContextTokens);
  EXPECT_EQ(counts[0]["choices"][0]["all_tokens"], kContextTokens + 3);
  EXPECT_EQ(counts[0]["choices"][0]["tokens"], 2);
  EXPECT_EQ(counts[0]["choices"][1]["tokens"], 1);
  EXPECT_NE(CliTest::run(score({"--count"})).out.find("26"), std::string::npos);
}

TEST_F(LmScoreTest, BadLines) {
  const auto refused = [&](const std::string& line, const Words& words) {
    write_text(path("t.jsonl"), "{\"context\": \"a\", \"continuation\": \"b\"}\n\n" + line + "\n");
    Words all{"--tasks t.jsonl line 3: "};
    all.insert(all.end(), words.begin(), words.end());
    expect_error(score({}), all);
  };
  refused("{\"context\": \"a\"", {"not a JSON object"});
  refused("[1]", {"not a JSON object"});
  refused("{\"context\": 1, \"continuation\": \"b\"}", {"context: must be a string"});
  refused("{\"context\": \"a\", \"context\": \"b\"}", {"\"context\" appears twice"});
  refused("{\"context\": \"a\", \"chioces\": [\"b\"]}", {"chioces: is no field"});
  refused("{\"context\": \"a\"}", {"choices: these or a continuation"});
  refused("{\"choices\": [\"a\"], \"continuation\": \"b\"}",
          {"choices: given, and a continuation too"});
  refused("{\"context\": \"a\", \"choices\": []}", {"choices: is empty"});
  refused("{\"context\": \"a\", \"choices\": \"b\"}", {"choices: must be a list"});
  refused("{\"context\": \"a\", \"choices\": [\"b\", 2]}", {"choices: must be a list"});
  refused("{\"context\": \"a\", \"choices\": [\"b\", \"\"]}", {"choices: number 1 is empty"});
  refused("{\"context\": \"a\", \"continuation\": \"\"}", {"continuation: is empty"});
  refused("{\"context\": \"a\", \"continuation\": \"b\", \"answer\": 0}", {"answer: "});
  for (const char* answer : {"2", "-1"})
    refused("{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": " + std::string(answer) +
                "}",
            {"answer: " + std::string(answer) + " is outside 0 to 1"});
  refused("{\"context\": \"a\", \"choices\": [\"b\"], \"answer\": \"b\"}", {"answer: must be"});
}

TEST_F(LmScoreTest, BadFiles) {
  write_text(path("t.jsonl"), "\n \n");
  expect_error(score({}), {"--tasks t.jsonl: has no task"});
  write_text(path("t.jsonl"), "{\"context\": \"\xFF\"}");
  expect_error(score({}), {"--tasks t.jsonl: is no UTF-8"});
  expect_error({"lm", "score", "--model", "m.bin", "--tasks", "none.jsonl"},
               {"--tasks none.jsonl: cannot be read"});
  expect_error({"lm", "score", "--model", "m.bin"}, {"--tasks"});
  tasks({{{"context", "a"}, {"continuation", "b"}}});
  expect_error(score({"--json", "t.jsonl"}), {"--json", "--tasks"});
  expect_error(score({"--method", "nothing"}), {"--method", "nothing"});
  expect_error(score({"--decode", "nothing"}), {"--decode", "nothing"});
  expect_error(score({"--layers", "7"}), {"--layers"});
}

TEST_F(LmScoreTest, LongContextsNameTheirLine) {
  const std::string context(92, '5');
  tasks({{{"context", "a"}, {"continuation", "b"}},
         {{"context", context}, {"question", "?"}, {"choices", {"1", "23"}}}});
  expect_error(score({}), {"--tasks t.jsonl line 2: context: ", "97 tokens", "the 96"});
  EXPECT_EQ(run(score({"--rope-base", "40000"})).code, 0);
}

TEST_F(LmScoreTest, Stories260K) {
  const std::string model = shared_data("stories260k/model.bin");
  if (model.empty()) GTEST_SKIP() << "no stories260k in ../shared/data";
  tasks({{{"context", "Once upon a time, there was a little"},
          {"choices", {" girl", " wheel", " sadly"}},
          {"answer", 0}},
         {{"context", "Once upon a time, there was a little girl named"},
          {"question", " Lily. She loved to play with her"},
          {"choices", {" said", " toys", " went"}},
          {"answer", 1}}});
  const json run = run_json({"lm", "score", "--model", model, "--tasks", "t.jsonl"})["runs"][0];
  for (const char* by : {"sum", "token", "byte"})
    EXPECT_EQ(run["accuracy_by_" + std::string(by)], 1.0) << by;
}

}  // namespace
}  // namespace subquad::test
