// Help, versions and mistakes on the command line.
#include "support.h"

namespace subquad::test {
namespace {

using UsageTest = CliTest;

TEST_F(UsageTest, WordsThatNoCommandTakesAreNamed) {
  expect_error({"--bogus"}, {"unknown option '--bogus'"});
  expect_error({"-x", "attend"}, {"unknown option '-x'"});
  expect_error({"attnd"}, {"unknown command 'attnd'"});
  expect_error({"bench", "attnd"}, {"unknown command 'attnd'"});
  expect_error({"bench", "--seq=3"}, {"unknown option '--seq=3'"});
  expect_error({"bench"}, {"subcommand is required"});
  expect_error({"synth", "a.npz", "--n", "8", "--n", "9"}, {"--n: given more than once"});
}

TEST_F(UsageTest, HelpOfEachCommandShowsItsOptionsAndExamples) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> commands{
      {{"--help"}, "compare"},           {{"attend", "--help"}, "--out-dtype"},
      {{"compare", "--help"}, "--html"}, {{"bench", "attention", "--help"}, "--exact-rows"},
      {{"info", "--help"}, "--peak"},    {{"synth", "--help"}, "--clusters"}};
  for (const auto& [arguments, word] : commands) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find(word), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("subquad "), std::string::npos);
  }
}

TEST_F(UsageTest, VersionIsPrinted) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find('.'), std::string::npos);
}

TEST_F(UsageTest, NoCommand) { expect_error({}, {"subcommand"}); }
TEST_F(UsageTest, UnknownCommand) { expect_error({"atend"}, {"atend"}); }
TEST_F(UsageTest, UnknownOption) { expect_error({"info", "--peek"}, {"--peek"}); }
TEST_F(UsageTest, MissingInput) { expect_error({"attend"}, {"INPUT"}); }
TEST_F(UsageTest, ThreadsNotANumber) { expect_error({"info", "--threads", "two"}, {"threads"}); }
TEST_F(UsageTest, ThreadsNegative) { expect_error({"info", "--threads", "-1"}, {"threads"}); }
TEST_F(UsageTest, BenchWithoutLength) { expect_error({"bench", "attention"}, {"--seq"}); }
TEST_F(UsageTest, BenchUnknownPass) {
  expect_error({"bench", "attention", "--seq", "8", "--pass", "sideways"}, {"sideways"});
}
TEST_F(UsageTest, BenchUnknownDtype) {
  expect_error({"bench", "attention", "--seq", "8", "--dtype", "f64"}, {"f64"});
}
TEST_F(UsageTest, BenchHeadsThatDoNotDivide) {
  expect_error({"bench", "attention", "--seq", "8", "--heads", "4", "--kv-heads", "3"},
               {"--kv-heads"});
}
TEST_F(UsageTest, BenchTooManyDecodingQueries) {
  expect_error({"bench", "attention", "--seq", "64", "--pass", "decode", "--queries", "17"},
               {"--queries"});
}
TEST_F(UsageTest, FileWithShapeOptions) {
  write_layer(path("a.safetensors"));
  expect_error({"bench", "attention", "--input", "a.safetensors", "--heads", "4"}, {"--heads"});
}
TEST_F(UsageTest, ProblemFileThatIsNotAList) {
  write_text(path("p.json"), "{\"seq\": 4}");
  expect_error({"bench", "attention", "--problem", "p.json"}, {"p.json"});
}
TEST_F(UsageTest, ProblemFileWithAnUnknownKey) {
  write_text(path("p.json"), "[{\"seq\": 4}, {\"sequence\": 4}]");
  expect_error({"bench", "attention", "--problem", "p.json"}, {"entry 1: unknown key"});
}
TEST_F(UsageTest, ProblemFileWithAWrongType) {
  write_text(path("p.json"), "[{\"seq\": \"long\"}]");
  expect_error({"bench", "attention", "--problem", "p.json"}, {"entry 0"});
}
TEST_F(UsageTest, SynthIntoAnotherFormat) { expect_error({"synth", "a.npz"}, {".safetensors"}); }

}  // namespace
}  // namespace subquad::test
