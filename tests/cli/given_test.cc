// `--given FILE`: predefined masks from files.
#include <algorithm>
#include <cmath>

#include "subquad/attention.h"
#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

// An integer tensor and its memory.
struct Numbers {
  std::string name;
  std::vector<std::int64_t> shape, values;
  bool narrow = false;  // int32
};

void write_numbers(const std::string& path, const std::vector<Numbers>& all,
                   const std::map<std::string, std::string>& metadata = {}) {
  std::vector<std::vector<std::int32_t>> narrow(all.size());
  std::vector<io::Tensor> tensors;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Numbers& x = all[n];
    for (const std::int64_t value : x.values) narrow[n].push_back(static_cast<std::int32_t>(value));
    tensors.push_back(x.narrow
                          ? io::Tensor{x.name, io::ElementType::i32, x.shape, narrow[n].data()}
                          : io::Tensor{x.name, io::ElementType::i64, x.shape, x.values.data()});
  }
  io::write_file(path, tensors, metadata);
}

// Row i of 40 meets keys i and (i + 7) % 40, ascending.
struct TwoKeys {
  TwoKeys() {
    for (std::int64_t i = 0; i < 40; ++i) {
      const std::int64_t other = (i + 7) % 40;
      keys.push_back(std::min(i, other));
      keys.push_back(std::max(i, other));
      offsets.push_back(static_cast<std::int64_t>(keys.size()));
    }
  }
  std::vector<std::int64_t> offsets{0}, keys;
};

class GivenTest : public CliTest {
 protected:
  GivenTest() {
    write_layer(path("a.safetensors"));  // two heads of 40
    const TwoKeys two;
    write_numbers(path("rows.npz"),
                  {{"row_offsets", {41}, two.offsets}, {"row_keys", {80}, two.keys, true}});
    write_numbers(path("blocks.safetensors"), {{"blocks", {4, 2}, {0, 0, 1, 1, 2, 2, 2, 0}, true}},
                  {{"query_block_size", "16"}, {"key_block_size", "16"}});
  }

  std::vector<float> out_of(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"attend", "a.safetensors", "--out", "o.safetensors"});
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? read_floats(path("o.safetensors"), "out") : std::vector<float>();
  }

  void expect_rejected(const std::vector<std::string>& extra,
                       const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"attend", "a.safetensors", "--out", "o.safetensors"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    expect_error(arguments, words);
  }
};

// Softmax over two keys by hand, from the file's tensors.
TEST_F(GivenTest, RowListsAreTheEntriesOfTheMethod) {
  const auto out = out_of({"--method", "given(0)", "--given", "rows.npz"});
  ASSERT_EQ(out.size(), 2u * 40 * 8);
  const auto q = read_floats(path("a.safetensors"), "q");
  const auto k = read_floats(path("a.safetensors"), "k");
  const auto v = read_floats(path("a.safetensors"), "v");
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < 40; ++i) {
      const std::size_t row = (h * 40 + i) * 8, other = (h * 40 + (i + 7) % 40) * 8;
      double gap = 0;
      for (std::size_t c = 0; c < 8; ++c)
        gap += double{q[row + c]} * (double{k[other + c]} - double{k[row + c]});
      const double weight = 1 / (1 + std::exp(-gap / std::sqrt(8.0)));  // of the other key
      for (std::size_t c = 0; c < 8; ++c)
        ASSERT_NEAR(out[row + c], (1 - weight) * double{v[row + c]} + weight * double{v[other + c]},
                    1e-5);
    }
}

TEST_F(GivenTest, BlocksMatchTheLibrary) {
  const std::vector<BlockPair> pairs{{0, 0}, {1, 1}, {2, 2}, {2, 0}};
  const GivenMask mask{GivenKind::blocks, {}, {}, 16, 16, pairs};
  const io::TensorFile file = io::TensorFile::open(path("a.safetensors"));
  const auto view = [&](const char* name) {
    return dense_view(file.at(name).data, DType::f32, {1, 2, 40, 8});
  };
  Problem problem;
  problem.query = view("q");
  problem.key = view("k");
  problem.value = view("v");
  std::vector<float> expected(2 * 40 * 8);
  void* const data = expected.data();
  Options options;
  options.given = {&mask, 1};
  attend(problem, "given+uniform(7)", {dense_view(data, DType::f32, {1, 2, 40, 8}), {}, {}},
         options);
  EXPECT_EQ(out_of({"--method", "given+uniform(7)", "--given", "blocks.safetensors"}), expected);
}

TEST_F(GivenTest, BlockSizesMayBeTensors) {
  write_numbers(path("blocks.npz"), {{"blocks", {4, 2}, {0, 0, 1, 1, 2, 2, 2, 0}},
                                     {"query_block_size", {}, {16}},
                                     {"key_block_size", {1}, {16}}});
  EXPECT_EQ(out_of({"--method", "given", "--given", "blocks.npz"}),
            out_of({"--method", "given", "--given", "blocks.safetensors"}));
}

TEST_F(GivenTest, SeveralFilesAreNumberedInOrder) {
  const auto two =
      out_of({"--method", "given(1)", "--given", "blocks.safetensors", "--given", "rows.npz"});
  EXPECT_EQ(two, out_of({"--method", "given", "--given", "rows.npz"}));
}

TEST_F(GivenTest, CompareTakesThemToo) {
  const auto json = run_json({"compare", "a.safetensors", "--method", "given+drop", "--given",
                              "rows.npz", "--repeats", "1", "--threads", "1"});
  ASSERT_EQ(json["runs"].size(), 4u);  // exact; all heads and two
  EXPECT_EQ(json["runs"][1]["path"], "given+drop");
  EXPECT_EQ(json["runs"][1]["scored_entries"], 160);
  EXPECT_GT(json["runs"][1]["rel_fro"].get<double>(), 0.01);
}

TEST_F(GivenTest, BadFilesAndUses) {
  expect_rejected({"--method", "given", "--given", "none.npz"}, {"none.npz"});
  expect_rejected({"--method", "given"}, {"--given: ", "there is no given[0]"});
  expect_rejected({"--method", "given(1)", "--given", "rows.npz"},
                  {"--given: ", "there is no given[1]"});
  expect_rejected({"--method", "sink(2)", "--given", "rows.npz"}, {"--given rows.npz", "given(0)"});
  expect_rejected({"--method", "given", "--given", "a.safetensors"},
                  {"a.safetensors", "row_offsets", "blocks"});
}

TEST_F(GivenTest, BadTensors) {
  const std::vector<std::string> use{"--method", "given", "--given", "b.npz"};
  write_numbers(path("b.npz"), {{"row_offsets", {41}, std::vector<std::int64_t>(41, 0)}});
  expect_rejected(use, {"b.npz", "row_keys"});
  write_numbers(path("b.npz"), {{"row_offsets", {41}, std::vector<std::int64_t>(41, 0)},
                                {"row_keys", {1, 1}, {0}}});
  expect_rejected(use, {"b.npz", "'row_keys'", "2 dimensions"});
  write_numbers(path("b.npz"), {{"row_offsets", {41}, std::vector<std::int64_t>(41, 0)},
                                {"row_keys", {1}, {std::int64_t{1} << 40}}});
  expect_rejected(use, {"b.npz", "'row_keys'", "out of range"});
  write_numbers(path("b.npz"), {{"row_offsets", {3}, {0, 0, 0}}, {"row_keys", {0}, {}}});
  expect_rejected(use, {"--given b.npz: 'row_offsets'", "41"});
  write_numbers(path("b.npz"),
                {{"row_offsets", {41}, std::vector<std::int64_t>(41, 0)}, {"row_keys", {1}, {3}}});
  expect_rejected(use, {"--given b.npz: 'row_offsets'", "ends at 0"});
  write_numbers(
      path("b.npz"),
      {{"blocks", {1, 2}, {0, 9}}, {"query_block_size", {}, {16}}, {"key_block_size", {}, {16}}});
  expect_rejected(use, {"--given b.npz: 'blocks'"});
  write_numbers(
      path("b.npz"),
      {{"blocks", {2}, {0, 0}}, {"query_block_size", {}, {16}}, {"key_block_size", {}, {16}}});
  expect_rejected(use, {"b.npz", "'blocks'", "(count, 2)"});
  write_numbers(path("b.npz"), {{"blocks", {1, 2}, {0, 0}}});
  expect_rejected(use, {"b.npz", "'query_block_size'"});
}

TEST_F(GivenTest, BadBlockSizes) {
  const auto rejects = [&](const std::map<std::string, std::string>& metadata,
                           const std::string& key) {
    write_numbers(path("b.safetensors"), {{"blocks", {1, 2}, {0, 0}}}, metadata);
    expect_rejected({"--method", "given", "--given", "b.safetensors"},
                    {"b.safetensors", "'" + key + "'"});
  };
  for (const std::string value : {"", "x", "16.5", "16x", " 16", "0", "-1", "1e400"})
    rejects({{"query_block_size", value}, {"key_block_size", "16"}}, "query_block_size");
  write_numbers(path("b.safetensors"), {{"blocks", {1, 2}, {0, 0}}, {"key_block_size", {}, {16}}},
                {{"query_block_size", "16"}, {"key_block_size", "8"}});
  expect_rejected({"--method", "given", "--given", "b.safetensors"},
                  {"b.safetensors", "'key_block_size'", "metadata"});
}

TEST_F(GivenTest, NamesAppearOnce) {
  const std::string entry = R"("blocks":{"dtype":"I64","shape":[0,2],"data_offsets":[0,0]})";
  const std::string header = "{" + entry + "," + entry + "}";
  write_raw_safetensors(path("b.safetensors"), header.size(), header, 0);
  expect_rejected({"--method", "given", "--given", "b.safetensors"},
                  {"b.safetensors", "\"blocks\" appears twice"});
}

TEST_F(GivenTest, FloatsAreNoIndices) {
  const std::vector<float> zeros(41, 0.0F);
  const std::vector<io::Tensor> tensors{{"row_offsets", io::ElementType::f32, {41}, zeros.data()},
                                        {"row_keys", io::ElementType::f32, {0}, zeros.data()}};
  io::write_file(path("f.npz"), tensors);
  expect_rejected({"--method", "given", "--given", "f.npz"},
                  {"f.npz", "'row_offsets'", "i32 or i64"});
}

}  // namespace
}  // namespace subquad::test
