// Language models against independent implementations in PyTorch (../shared/trials and the data's
// README): predictions of SmolLM2-135M and stories260K, queries, keys and values of their layers.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "llama/checkpoint.h"
#include "llama/model.h"
#include "llama/token_scores.h"
#include "subquad/io.h"
#include "support/half.h"
#include "support/test_data.h"
#include "tokenizer/tokenizer.h"

namespace subquad::testing {
namespace {

using Tokens = std::vector<std::int32_t>;
using Observe = std::function<void(std::int64_t, const Problem&)>;

// -log p of tokens 1, 2, .. with exact attention.
std::vector<double> losses(const llama::Checkpoint& checkpoint, const Tokens& tokens,
                           const Observe& observe = {}) {
  llama::Model model(checkpoint, checkpoint.config.rotary, std::ssize(tokens));
  llama::ForwardOptions options;
  options.observe = observe;
  llama::ForwardCounts counts;
  const ops::Activations states = model.append(tokens, options, counts);
  std::vector<double> result = llama::log_probabilities(
      checkpoint.classifier, states.rows().slice(0, std::ssize(tokens) - 1),
      std::span(tokens).subspan(1), 0);
  for (double& value : result) value = -value;
  return result;
}

double perplexity(std::span<const double> losses) {
  const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  return std::exp(sum / static_cast<double>(losses.size()));
}

// Elements of a (heads, tokens, dim) tensor of a data file.
struct Recorded {
  std::vector<float> values;
  std::int64_t heads, tokens, dim;

  Recorded(const io::TensorFile& file, const std::string& name) {
    const io::Tensor& tensor = file.at(name);
    heads = tensor.shape[0], tokens = tensor.shape[1], dim = tensor.shape[2];
    for (std::int64_t i = 0; i < heads * tokens * dim; ++i)
      values.push_back(tensor.type == io::ElementType::f16
                           ? static_cast<float>(decode_half(
                                 static_cast<const std::uint16_t*>(tensor.data)[i], DType::f16))
                           : static_cast<const float*>(tensor.data)[i]);
  }
};

// Largest difference over the view's tokens, relative to the largest recorded element.
double difference(const TensorView& view, const Recorded& recorded) {
  double largest = 0, worst = 0;
  for (std::int64_t h = 0; h < recorded.heads; ++h)
    for (std::int64_t t = 0; t < view.length(); ++t)
      for (std::int64_t c = 0; c < recorded.dim; ++c) {
        const auto at = static_cast<std::size_t>((h * recorded.tokens + t) * recorded.dim + c);
        const float actual = static_cast<const float*>(view.data)[view.offset(0, h, t) + c];
        largest = std::max(largest, std::fabs(static_cast<double>(recorded.values[at])));
        worst = std::max(worst, std::fabs(static_cast<double>(actual - recorded.values[at])));
      }
  return worst / largest;
}

// Compares each layer whose file NAME(layer) is in the data.
Observe compare_layers(const std::function<std::string(std::int64_t)>& name, double tolerance,
                       int& compared) {
  return [&compared, name, tolerance](std::int64_t layer, const Problem& problem) {
    const std::string path = shared_data(name(layer));
    if (path.empty()) return;
    const io::TensorFile file = io::TensorFile::open(path);
    ASSERT_EQ(problem.query.heads(), file.at("q").shape[0]);
    ASSERT_EQ(problem.key.heads(), file.at("k").shape[0]);
    EXPECT_LT(difference(problem.query, Recorded(file, "q")), tolerance) << "q of layer " << layer;
    EXPECT_LT(difference(problem.key, Recorded(file, "k")), tolerance) << "k of layer " << layer;
    EXPECT_LT(difference(problem.value, Recorded(file, "v")), tolerance) << "v of layer " << layer;
    ++compared;
  };
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LlamaReference, Stories260K) {
  const std::string model = shared_data("stories260k/model.bin");
  const std::string passage = shared_data("qkv/stories260k_passage.txt");
  if (model.empty() || passage.empty()) GTEST_SKIP() << "no stories260k in ../shared/data";
  const tokenizer::Tokenizer tokenizer = tokenizer::load_tokenizer(model);
  const Tokens tokens = tokenizer.encode(text_of(passage), {.bos = true, .special = false});
  ASSERT_EQ(tokens.size(), 512u);
  int compared = 0;
  const auto name = [](std::int64_t layer) {
    return "qkv/stories260k_layer" + std::to_string(layer) + ".safetensors";
  };
  const std::vector<double> actual =
      losses(llama::load_checkpoint(model), tokens, compare_layers(name, 3e-6, compared));
  EXPECT_EQ(compared, 3);
  EXPECT_NEAR(perplexity(actual), 2.734, 5e-4);
}

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (smollm2_gguf().empty()) GTEST_SKIP() << no_smollm2;
  }

  static nlohmann::json recorded(const std::string& name) {
    const std::string path = shared_data("lm/" + name);
    return path.empty() ? nlohmann::json() : nlohmann::json::parse(text_of(path));
  }

  // The first `count` tokens of a recorded text: every -log p within 2e-3, perplexity 0.02 %.
  static void check_text(const std::string& name, std::size_t count, const Observe& observe = {}) {
    const nlohmann::json json = recorded(name);
    if (json.is_null()) GTEST_SKIP() << "no " << name << " in ../shared/data/lm";
    Tokens tokens = json["ids"];
    std::vector<double> expected = json["negative_log_likelihood"];
    tokens.resize(count);
    expected.resize(count - 1);
    const std::vector<double> actual =
        losses(llama::load_checkpoint(smollm2_gguf()), tokens, observe);
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(actual[i], expected[i], 2e-3) << "token " << i + 1;
    EXPECT_NEAR(perplexity(actual) / perplexity(expected), 1, 2e-4);
    if (count < 8192) return;
    const auto last = static_cast<std::ptrdiff_t>(count - 1 - 2048);
    EXPECT_NEAR(
        perplexity(std::span(actual).subspan(last)) / perplexity(std::span(expected).subspan(last)),
        1, 2e-4);
  }

  static std::string layer_name(std::int64_t layer) {
    const std::string number = (layer < 10 ? "0" : "") + std::to_string(layer);
    return "qkv/smollm2_135m_wikitext_8192_layer" + number + ".safetensors";
  }
  // How many of the four layers' files are there.
  static int recorded_layers() {
    int count = 0;
    for (const std::int64_t layer : {2, 9, 17, 25})
      count += shared_data(layer_name(layer)).empty() ? 0 : 1;
    return count;
  }
};

// Layers are recorded in f16: off by at most 2^-11 of an element.
TEST_F(SmolLm2, WikiText) {
  int compared = 0;
  check_text("smollm2_wikitext2_8192.json", 1024, compare_layers(layer_name, 5e-4, compared));
  EXPECT_EQ(compared, IsSkipped() ? 0 : recorded_layers());
}

TEST_F(SmolLm2, WarAndPeace) { check_text("smollm2_war_and_peace_8192.json", 1024); }

TEST_F(SmolLm2, SlowWikiText) {
  int compared = 0;
  check_text("smollm2_wikitext2_8192.json", 8192, compare_layers(layer_name, 5e-4, compared));
  EXPECT_EQ(compared, IsSkipped() ? 0 : recorded_layers());
}

TEST_F(SmolLm2, SlowWarAndPeace) { check_text("smollm2_war_and_peace_8192.json", 8192); }

// Eight tokens drawn one at a time are the most probable ones of one forward over all of them.
TEST_F(SmolLm2, DecodingIsPrefill) {
  const llama::Checkpoint checkpoint = llama::load_checkpoint(smollm2_gguf());
  const tokenizer::Tokenizer tokenizer = tokenizer::load_tokenizer(smollm2_gguf());
  Tokens tokens = tokenizer.encode("The capital of France is");
  const std::size_t prompt = tokens.size();
  llama::Model model(checkpoint, checkpoint.config.rotary, 64);
  llama::ForwardCounts counts;
  ops::Activations states = model.append(tokens, {}, counts);
  const auto best = [&](const float* state) {
    const std::vector<float> scores = llama::logits(checkpoint.classifier, state, 0);
    return static_cast<std::int32_t>(std::max_element(scores.begin(), scores.end()) -
                                     scores.begin());
  };
  for (int i = 0; i < 8; ++i) {
    tokens.push_back(best(states.rows().row(states.rows().count - 1)));
    states = model.append(std::span(tokens).last(1), {}, counts);
  }
  model.clear();
  const ops::Activations whole = model.append(tokens, {}, counts);
  for (std::size_t t = prompt; t < tokens.size(); ++t)
    EXPECT_EQ(best(whole.rows().row(static_cast<std::int64_t>(t) - 1)), tokens[t]) << t;
  EXPECT_NE(tokenizer.decode(std::span(tokens).subspan(prompt)).find("Paris"), std::string::npos);
}

}  // namespace
}  // namespace subquad::testing
