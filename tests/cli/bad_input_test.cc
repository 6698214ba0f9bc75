// Files and specs that cannot work: one clear line, exit code 2, nothing written.

#include "support.h"

namespace subquad::test {
namespace {

class BadInputTest : public CliTest {
 protected:
  // attend and compare on `input` must both fail with a line that has all of `words`.
  void expect_rejected(const std::string& input, const std::vector<std::string>& words,
                       const std::vector<std::string>& extra = {}) {
    expect_error(with({"attend", input, "--out", "o.safetensors", "--json", "o.json"}, extra),
                 words);
    expect_error(
        with({"compare", input, "--repeats", "1", "--json", "o.json", "--html", "o.html"}, extra),
        words);
  }

  static std::vector<std::string> with(std::vector<std::string> first,
                                       const std::vector<std::string>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  }
};

TEST_F(BadInputTest, NoSuchFile) { expect_rejected("none.safetensors", {"none.safetensors"}); }

TEST_F(BadInputTest, EmptyFile) {
  write_text(path("empty.safetensors"), "");
  expect_rejected("empty.safetensors", {"empty.safetensors"});
}

TEST_F(BadInputTest, NotATensorFile) {
  write_text(path("a.npz"), "these are words, not an archive");
  expect_rejected("a.npz", {"a.npz"});
}

TEST_F(BadInputTest, WrongRank) {
  write_layer(path("a.safetensors"), {.q = {40, 8}});
  expect_rejected("a.safetensors", {"a.safetensors", "'q'", "(40, 8)"});
}

TEST_F(BadInputTest, MismatchedHeadCounts) {
  write_layer(path("a.safetensors"), {.q = {3, 40, 8}});
  expect_rejected("a.safetensors", {"a.safetensors", "heads"});
}

TEST_F(BadInputTest, MismatchedBatch) {
  write_layer(path("a.safetensors"), {.q = {2, 2, 40, 8}});
  expect_rejected("a.safetensors", {"a.safetensors", "batch"});
}

TEST_F(BadInputTest, KeysAndValuesOfDifferentLength) {
  write_layer(path("a.safetensors"), {.v = {2, 41, 8}});
  expect_rejected("a.safetensors", {"a.safetensors", "value", "41"});
}

TEST_F(BadInputTest, HeadDimOfZero) {
  write_layer(path("a.safetensors"), {.q = {2, 40, 0}, .k = {2, 40, 0}});
  expect_rejected("a.safetensors", {"a.safetensors", "head_dim"});
}

TEST_F(BadInputTest, NonFiniteScaleInTheFile) {
  write_layer(path("a.safetensors"), {.metadata = {{"scale", "inf"}}});
  expect_rejected("a.safetensors", {"a.safetensors", "scale", "inf"});
}

TEST_F(BadInputTest, ScaleThatIsNoNumber) {
  write_layer(path("a.safetensors"), {.metadata = {{"scale", "0.1x"}}});
  expect_rejected("a.safetensors", {"scale", "0.1x"});
}

TEST_F(BadInputTest, NonFiniteScaleOnTheCommandLine) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"--scale", "nan"}, {"--scale", "nan"});
}

TEST_F(BadInputTest, UnknownCausalWordInTheFile) {
  write_layer(path("a.safetensors"), {.metadata = {{"causal", "sideways"}}});
  expect_rejected("a.safetensors", {"causal", "sideways"});
}

TEST_F(BadInputTest, CausalInWordsWithoutAnAlignment) {
  write_layer(path("a.safetensors"), {.metadata = {{"softmax", "causal"}}});
  expect_rejected("a.safetensors", {"--causal"});
}

TEST_F(BadInputTest, UnknownCausalWordOnTheCommandLine) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"--causal", "left"}, {"--causal", "left"});
}

TEST_F(BadInputTest, BlockOfZero) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"block"}, {"--method", "sortlsh(block=0)"});
}

TEST_F(BadInputTest, UnknownSpecWord) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"magic"}, {"--method", "sink(4)+magic(n=3)"});
}

TEST_F(BadInputTest, UnknownSpecParameter) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"size"}, {"--method", "window(size=8)"});
}

TEST_F(BadInputTest, SpecThatDoesNotParse) {
  write_layer(path("a.safetensors"));
  expect_rejected("a.safetensors", {"window(8"}, {"--method", "window(8"});
}

TEST_F(BadInputTest, MissingTensor) {
  const std::string header = R"({"q":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]}})";
  write_raw_safetensors(path("a.safetensors"), header.size(), header, 16);
  expect_rejected("a.safetensors", {"a.safetensors", "k"});
}

TEST_F(BadInputTest, IntegersForTensors) {
  const std::string header = R"({"q":{"dtype":"I32","shape":[1,2,2],"data_offsets":[0,16]}})";
  write_raw_safetensors(path("a.safetensors"), header.size(), header, 16);
  expect_rejected("a.safetensors", {"a.safetensors", "'q'", "i32"});
}

TEST_F(BadInputTest, TruncatedSafetensors) {
  write_layer(path("a.safetensors"));
  const std::string whole = read_text(path("a.safetensors"));
  for (const std::size_t size : {std::size_t{5}, std::size_t{60}, whole.size() - 1}) {
    write_text(path("a.safetensors"), whole.substr(0, size));
    expect_rejected("a.safetensors", {"a.safetensors"});
  }
}

TEST_F(BadInputTest, HeaderLongerThanTheFile) {
  write_raw_safetensors(path("a.safetensors"), std::uint64_t{1} << 60, "{}", 0);
  expect_rejected("a.safetensors", {"a.safetensors"});
}

TEST_F(BadInputTest, OffsetsOutsideTheFile) {
  const std::string header = R"({"q":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]},)"
                             R"("k":{"dtype":"F32","shape":[1,2,2],"data_offsets":[16,32]},)"
                             R"("v":{"dtype":"F32","shape":[1,2,2],"data_offsets":[32,48]}})";
  write_raw_safetensors(path("a.safetensors"), header.size(), header, 40);
  expect_rejected("a.safetensors", {"a.safetensors"});
}

TEST_F(BadInputTest, ShapeThatDoesNotFitTheOffsets) {
  const std::string header = R"({"q":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,16]}})";
  write_raw_safetensors(path("a.safetensors"), header.size(), header, 16);
  expect_rejected("a.safetensors", {"a.safetensors", "q"});
}

TEST_F(BadInputTest, SecondOfTwoInputsIsBad) {
  write_layer(path("a.safetensors"));
  expect_error({"compare", "a.safetensors", "none.safetensors", "--json", "o.json"},
               {"none.safetensors"});
  EXPECT_EQ(files(), std::vector<std::string>{"a.safetensors"});
}

TEST_F(BadInputTest, UnwritableOutput) {
  write_layer(path("a.safetensors"));
  expect_error({"attend", "a.safetensors", "--out", "no/o.safetensors"}, {"no/o.safetensors"});
  expect_error({"attend", "a.safetensors", "--out", "o.safetensors", "--json", "no/o.json"},
               {"no/o.json"});
  expect_error({"compare", "a.safetensors", "--json", "no/o.json"}, {"no/o.json"});
  expect_error({"compare", "a.safetensors", "--html", "."}, {"--html", "folder"});
  expect_error({"compare", "a.safetensors", "--json", "/dev/null"}, {"/dev/null", "regular"});
  EXPECT_EQ(files(), std::vector<std::string>{"a.safetensors"});
}

TEST_F(BadInputTest, OutputFormatThatCannotHoldTheResult) {
  write_layer(path("a.safetensors"));
  expect_error({"attend", "a.safetensors", "--out", "o.txt"}, {"o.txt", ".safetensors"});
  expect_error({"attend", "a.safetensors", "--out", "o.npz", "--out-dtype", "bf16"}, {"bf16"});
  EXPECT_EQ(files(), std::vector<std::string>{"a.safetensors"});
}

}  // namespace
}  // namespace subquad::test
