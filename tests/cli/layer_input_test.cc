// What a layer's file may hold beside and instead of three f32 tensors q, k, v.
#include <array>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

using Words = std::vector<std::string>;

class LayerInputTest : public CliTest {
 protected:
  std::vector<float> out_of(const Words& arguments) {
    Words words{"attend", "--out", "o.safetensors"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? read_floats(path("o.safetensors"), "out") : std::vector<float>();
  }

  // q, k, v of write_layer under other names, and `more`.
  void write_named(const std::string& name, const std::array<std::string, 3>& names) {
    write_layer(path("plain.safetensors"));
    const io::TensorFile plain = io::TensorFile::open(path("plain.safetensors"));
    std::vector<io::Tensor> tensors;
    for (std::size_t i = 0; i < 3; ++i) {
      tensors.push_back(plain.at(std::string(1, "qkv"[i])));
      tensors.back().name = names[i];
    }
    io::write_file(path(name), tensors);
  }
};

TEST_F(LayerInputTest, TensorNamesCanBeChosen) {
  write_named("a.npz", {"query", "layer.0.key", "v"});
  const Words names{"--query-name", "query", "--key-name", "layer.0.key"};
  const std::vector<float> expected = out_of({"plain.safetensors"});
  Words arguments{"a.npz"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  EXPECT_EQ(out_of(arguments), expected);
  expect_error({"attend", "a.npz"}, {"a.npz", "no tensor \"q\"", "\"layer.0.key\""});
  for (const Words& command :
       std::vector<Words>{{"compare", "a.npz", "--repeats", "1", "--method", "window(8)"},
                          {"diagnose", "a.npz"},
                          {"bench", "attention", "--input", "a.npz", "--repeats", "1"}}) {
    Words words = command;
    words.insert(words.end(), names.begin(), names.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
}

TEST_F(LayerInputTest, ErrorsUseTheNamesThatWereChosen) {
  write_layer(path("a.safetensors"), {.v = {2, 41, 8}});
  expect_error({"attend", "a.safetensors"},
               {"a.safetensors: value 'v' (2, 41, 8) and key 'k' (2, 40, 8) differ in length"});
  write_layer(path("a.safetensors"), {.k = {2, 40, 600}});
  expect_error({"attend", "a.safetensors", "--query-name", "k"},
               {"a.safetensors: query 'k' (2, 40, 600): head_dim"});
}

TEST_F(LayerInputTest, DoublesAreConvertedAndThatIsSaid) {
  write_layer(path("d.safetensors"), {.doubles = true});
  const std::string note = "subquad: note: d.safetensors: f64 is used as f32 (q, k, v)\n";
  EXPECT_EQ(run({"attend", "d.safetensors"}).err, note);
  EXPECT_EQ(run({"diagnose", "d.safetensors", "--probes", "alpha", "--lengths", "8,16"}).err, note);
  EXPECT_EQ(run({"bench", "attention", "--input", "d.safetensors", "--repeats", "1"}).err, note);
  const auto json = run_json({"compare", "d.safetensors", "--repeats", "1", "--method", "window"});
  for (const auto& run : json["runs"]) EXPECT_EQ(run["converted"], Words({"q", "k", "v"}));
  write_layer(path("f.safetensors"));
  EXPECT_EQ(run({"attend", "f.safetensors"}).err, "");
  EXPECT_EQ(run_json({"attend", "f.safetensors"})["runs"][0]["converted"], Words());
}

TEST_F(LayerInputTest, DoublesThatNoFloatHoldsAreAnError) {
  std::vector<double> values(2 * 4 * 4, 0.5);
  values[5] = 1e39;
  const std::array tensors{io::Tensor{"q", io::ElementType::f64, {2, 4, 4}, values.data()},
                           io::Tensor{"k", io::ElementType::f64, {2, 4, 4}, values.data()},
                           io::Tensor{"v", io::ElementType::f64, {2, 4, 4}, values.data()}};
  io::write_file(path("d.npz"), tensors);
  expect_error({"attend", "d.npz"}, {"d.npz: tensor 'q'", "1e+39", "f32"});
}

TEST_F(LayerInputTest, TensorsOfOtherTypesAreNoHindrance) {
  const std::string header = R"({"q":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]},)"
                             R"("k":{"dtype":"F32","shape":[1,2,2],"data_offsets":[16,32]},)"
                             R"("cache":{"dtype":"F8_E5M2","shape":[3],"data_offsets":[32,35]},)"
                             R"("bits":{"dtype":"U4","shape":[3,3],"data_offsets":[35,40]},)"
                             R"("ids":{"dtype":"I64","shape":[1,1,1],"data_offsets":[40,48]},)"
                             R"("v":{"dtype":"F32","shape":[1,2,2],"data_offsets":[48,64]}})";
  write_raw_safetensors(path("a.safetensors"), header.size(), header, 64);
  EXPECT_EQ(out_of({"a.safetensors"}), std::vector<float>(4, 0.0F));
  expect_error({"attend", "a.safetensors", "--key-name", "cache"},
               {"a.safetensors", "\"cache\"", "F8_E5M2"});
  expect_error({"attend", "a.safetensors", "--key-name", "ids"}, {"a.safetensors", "'ids'", "i64"});
}

}  // namespace
}  // namespace subquad::test
