// `subquad attend`: what it writes is what the library computes.
#include <cmath>

#include "subquad/attention.h"
#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

class AttendTest : public CliTest {
 protected:
  void attend_ok(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "attend");
    const Outcome outcome = run(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::vector<float> out_of(const std::string& input, const std::vector<std::string>& options) {
    std::vector<std::string> arguments{input, "--out", "o.safetensors"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    attend_ok(arguments);
    return read_floats(path("o.safetensors"), "out");
  }
};

struct Expected {
  std::vector<float> out, lse;
};

// The library's own answer for the tensors of a file with q, k, v (heads, n, d).
Expected library_answer(const std::string& file_path, const std::string& spec, Causal causal) {
  const io::TensorFile file = io::TensorFile::open(file_path);
  const auto view = [&](const char* name) {
    const io::Tensor& t = file.at(name);
    return dense_view(t.data, DType::f32, {1, t.shape[0], t.shape[1], t.shape[2]});
  };
  Problem problem;
  problem.query = view("q");
  problem.key = view("k");
  problem.value = view("v");
  problem.causal = causal;
  const Shape4 out_shape{1, problem.query.heads(), problem.query.length(),
                         problem.value.channels()};
  const Shape4 row_shape{1, problem.query.heads(), problem.query.length(), 1};
  const auto rows = static_cast<std::size_t>(row_shape[1] * row_shape[2]);
  Expected expected{std::vector<float>(rows * static_cast<std::size_t>(out_shape[3])),
                    std::vector<float>(rows)};
  void* const out = expected.out.data();
  void* const lse = expected.lse.data();
  attend(problem, spec,
         {dense_view(out, DType::f32, out_shape), dense_view(lse, DType::f32, row_shape), {}});
  return expected;
}

TEST_F(AttendTest, WritesTheLibrarysAnswerBitForBit) {
  write_layer(path("a.safetensors"), {.q = {4, 50, 8}, .k = {2, 50, 8}, .v = {2, 50, 6}});
  const Expected expected = library_answer(path("a.safetensors"), "exact", Causal::none);
  EXPECT_EQ(out_of("a.safetensors", {}), expected.out);
  EXPECT_EQ(read_floats(path("o.safetensors"), "lse"), expected.lse);
  const io::TensorFile file = io::TensorFile::open(path("o.safetensors"));
  EXPECT_EQ(file.at("out").shape, (std::vector<std::int64_t>{4, 50, 6}));
  EXPECT_EQ(file.at("lse").shape, (std::vector<std::int64_t>{4, 50}));
}

TEST_F(AttendTest, ApproximateMethodMatchesTheLibrary) {
  write_layer(path("a.safetensors"));
  const Expected expected =
      library_answer(path("a.safetensors"), "sink(2)+window(5)", Causal::none);
  EXPECT_EQ(out_of("a.safetensors", {"--method", "sink(2)+window(5)"}), expected.out);
}

TEST_F(AttendTest, MetadataIsHonouredAndTheCommandLineWins) {
  write_layer(path("plain.safetensors"));
  write_layer(path("causal.safetensors"), {.metadata = {{"causal", "true"}}});
  write_layer(path("words.safetensors"),
              {.metadata = {{"softmax", "over keys, causal (query i sees keys 0..i)"}}});
  write_layer(path("scaled.safetensors"), {.metadata = {{"scale", "0.5"}}});
  const auto top_left = library_answer(path("plain.safetensors"), "exact", Causal::top_left).out;
  const auto none = library_answer(path("plain.safetensors"), "exact", Causal::none).out;
  EXPECT_NE(top_left, none);
  EXPECT_EQ(out_of("causal.safetensors", {}), top_left);
  EXPECT_EQ(out_of("words.safetensors", {}), top_left);
  EXPECT_EQ(out_of("plain.safetensors", {"--causal", "top_left"}), top_left);
  EXPECT_EQ(out_of("causal.safetensors", {"--causal", "none"}), none);
  EXPECT_NE(out_of("scaled.safetensors", {}), none);
  EXPECT_EQ(out_of("scaled.safetensors", {}), out_of("plain.safetensors", {"--scale", "0.5"}));
}

TEST_F(AttendTest, DoublesAndArchivesGiveTheSameAnswer) {
  write_layer(path("a.safetensors"));
  write_layer(path("d.safetensors"), {.doubles = true});
  write_layer(path("a.npz"));
  const auto expected = out_of("a.safetensors", {});
  EXPECT_EQ(out_of("d.safetensors", {}), expected);
  EXPECT_EQ(out_of("a.npz", {}), expected);
  attend_ok({"a.npz", "--out", "o.npz"});
  EXPECT_EQ(read_floats(path("o.npz"), "out"), expected);
}

TEST_F(AttendTest, BatchesKeepTheirRank) {
  write_layer(path("a.safetensors"), {.q = {2, 2, 9, 4}, .k = {2, 1, 9, 4}, .v = {2, 1, 9, 4}});
  attend_ok({"a.safetensors", "--out", "o.safetensors"});
  const io::TensorFile file = io::TensorFile::open(path("o.safetensors"));
  EXPECT_EQ(file.at("out").shape, (std::vector<std::int64_t>{2, 2, 9, 4}));
  EXPECT_EQ(file.at("lse").shape, (std::vector<std::int64_t>{2, 2, 9}));
}

TEST_F(AttendTest, OutDtypeChoosesTheStorage) {
  write_layer(path("a.safetensors"));
  attend_ok({"a.safetensors", "--out", "o.safetensors", "--out-dtype", "bf16"});
  const io::TensorFile file = io::TensorFile::open(path("o.safetensors"));
  EXPECT_EQ(file.at("out").type, io::ElementType::bf16);
  EXPECT_EQ(file.at("lse").type, io::ElementType::f32);
}

TEST_F(AttendTest, JsonHasOneRunAndNothingElseIsPrinted) {
  write_layer(path("a.safetensors"));
  const nlohmann::json json = run_json({"attend", "a.safetensors"});
  ASSERT_EQ(json["runs"].size(), 1u);
  EXPECT_EQ(json["runs"][0]["method"], "exact");
  EXPECT_GT(json["runs"][0]["median_s"].get<double>(), 0);
  EXPECT_TRUE(json["runs"][0]["rel_fro"].is_null());
  EXPECT_EQ(files(), std::vector<std::string>{"a.safetensors"});
}

// Sums of random dot products have either sign; feature maps are positive.
TEST_F(AttendTest, JsonCountsNegativeSums) {
  write_layer(path("a.safetensors"), {.q = {4, 50, 8}, .k = {2, 50, 8}, .v = {2, 50, 6}});
  const auto run_of = [&](const std::string& method) {
    return run_json({"attend", "a.safetensors", "--method", method})["runs"][0];
  };
  const nlohmann::json signs = run_of("linear(map=none)");
  EXPECT_GT(signs["negative_rows"], 0);
  EXPECT_LT(signs["negative_rows"], 200);
  EXPECT_EQ(signs["fallback_rows"], 0);
  EXPECT_TRUE(signs["recall"].is_null());
  EXPECT_EQ(run_of("linear(map=elu)")["negative_rows"], 0);
}

}  // namespace
}  // namespace subquad::test
