// GGUF files that the package gguf writes, and the values that it says they hold.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "gguf/file.h"
#include "llama/weight_matrix.h"
#include "subquad/io.h"
#include "support/python.h"
#include "unit/io_support.h"

namespace subquad::llama {
namespace {

const std::map<std::string, WeightType> types{
    {"F32", WeightType::f32},   {"F16", WeightType::f16},   {"BF16", WeightType::bf16},
    {"Q8_0", WeightType::q8_0}, {"Q4_0", WeightType::q4_0}, {"Q4_1", WeightType::q4_1},
    {"Q5_0", WeightType::q5_0}, {"Q5_1", WeightType::q5_1}, {"Q4_K", WeightType::q4_k},
    {"Q5_K", WeightType::q5_k}, {"Q6_K", WeightType::q6_k}};

class GgufPython : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string python = testing::find_python("gguf, numpy");
    if (python.empty()) GTEST_SKIP() << "no python3 with the packages gguf and numpy";
    const auto script = std::filesystem::path(__FILE__).parent_path() / "gguf_cases.py";
    const std::string command = python + " '" + script.string() + "' '" + (folder_ / "") + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  io::TemporaryFolder folder_;
};

TEST_F(GgufPython, ValuesAreThePackages) {
  const gguf::File file = gguf::File::open(folder_ / "cases.gguf");
  const io::TensorFile expected = io::TensorFile::open(folder_ / "cases.npz");
  for (const auto& [name, type] : types) {
    const io::Tensor& values = expected.at(name);
    const gguf::TensorInfo* tensor = file.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    ASSERT_EQ(tensor->shape, values.shape) << name;
    EXPECT_STREQ(gguf::traits_of(tensor->type).name, name.c_str());
    io::Storage storage;
    const WeightMatrix matrix{type, file.read(*tensor, storage).data(), values.shape[0],
                              values.shape[1]};
    std::vector<float> row(static_cast<std::size_t>(matrix.cols));
    const auto* wanted = static_cast<const float*>(values.data);
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      widen_row(matrix, r, row.data());
      for (std::size_t c = 0; c < row.size(); ++c)
        ASSERT_EQ(row[c], wanted[static_cast<std::size_t>(r * matrix.cols) + c])
            << name << " row " << r << " column " << c;
    }
  }
}

TEST_F(GgufPython, MetadataAreThePackages) {
  const gguf::File file = gguf::File::open(folder_ / "cases.gguf");
  const gguf::Metadata& values = file.metadata();
  EXPECT_EQ(values.text("general.architecture"), "llama");
  EXPECT_EQ(values.text("general.name"), "Größe");
  EXPECT_EQ(values.whole("llama.block_count"), 3);
  EXPECT_EQ(values.number("llama.rope.freq_base"), 0.5);
  EXPECT_EQ(values.flag("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(*values.texts("tokenizer.ggml.tokens"), (std::vector<std::string>{"a", "Ġb", ""}));
  EXPECT_EQ(values.numbers("tokenizer.ggml.scores"), (std::vector<double>{0, -1.5, 2}));
  EXPECT_EQ(values.numbers("many"), (std::vector<double>{1, -2, 3}));
}

}  // namespace
}  // namespace subquad::llama
