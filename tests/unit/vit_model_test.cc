// The vision transformer against plain double loops, and what it refuses to load.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io_support.h"
#include "support/draw.h"
#include "support/tiny_vit.h"
#include "vit/agreement.h"
#include "config/layer_choice.h"
#include "vit/model.h"
#include "vit/network_metrics.h"
#include "vit/positions.h"

namespace subquad::testing {
namespace {

using io::expect_error;
using io::TemporaryFolder;

vit::Config two_heads() {
  vit::Config config;
  config.heads = TinyVit::heads;
  return config;
}

// Random pictures, the model from its file, and the double model.
class VitModel : public ::testing::Test {
 protected:
  VitModel() {
    tiny_.write(folder_ / "w.safetensors");
    weights_ = vit::load_weights(folder_ / "w.safetensors", two_heads());
  }

  std::vector<float> pictures(std::int64_t images, std::int64_t size) const {
    Draw draw(7);
    std::vector<float> pixels(static_cast<std::size_t>(images * 3 * size * size));
    for (float& pixel : pixels) pixel = static_cast<float>(draw.normal());
    return pixels;
  }

  std::vector<float> logits(const vit::Batch& batch, const vit::ForwardOptions& options) const {
    return vit::forward(weights_, batch, options).logits;
  }

  void expect_logits(const vit::Batch& batch, const vit::ForwardOptions& options) {
    const std::vector<float> found = logits(batch, options);
    ASSERT_EQ(std::ssize(found), batch.images() * TinyVit::classes);
    for (std::int64_t i = 0; i < batch.images(); ++i) {
      const auto expected =
          plain_.forward(batch.pixels.data() + i * 3 * batch.size * batch.size, batch.size);
      for (std::int64_t c = 0; c < TinyVit::classes; ++c)
        ASSERT_NEAR(found[static_cast<std::size_t>(i * TinyVit::classes + c)],
                    expected[static_cast<std::size_t>(c)], 5e-5)
            << "picture " << i << " class " << c;
    }
  }

  TemporaryFolder folder_;
  TinyVit tiny_{11};
  PlainVit plain_{tiny_};
  vit::Weights weights_;
};

TEST_F(VitModel, ShapesAreRead) {
  EXPECT_EQ(weights_.dim, TinyVit::dim);
  EXPECT_EQ(weights_.depth(), TinyVit::depth);
  EXPECT_EQ(weights_.grid, TinyVit::grid);
  EXPECT_EQ(weights_.patch, TinyVit::patch);
  EXPECT_EQ(weights_.classes(), TinyVit::classes);
  EXPECT_EQ(vit::token_count(weights_, 20), 26);
}

TEST_F(VitModel, ExactAtTheTrainedSize) {
  const auto pixels = pictures(3, 12);
  expect_logits({pixels, 12, 0}, {});
}

TEST_F(VitModel, ExactAtOtherSizes) {
  for (const std::int64_t size : {4, 8, 20, 44}) {
    SCOPED_TRACE(size);
    const auto pixels = pictures(2, size);
    expect_logits({pixels, size, 0}, {});
  }
}

TEST_F(VitModel, AMethodAndATemperatureInOneBlock) {
  const auto pixels = pictures(3, 20);
  vit::ForwardOptions options;
  options.attention = {{"exact", 1}, {"sink(4)", 0.5F}};
  plain_.temperature = {1, 0.5};
  plain_.hide = [](std::int64_t block, std::vector<double>& scores) {
    if (block == 1)
      std::fill(scores.begin() + 4, scores.end(), -std::numeric_limits<double>::infinity());
  };
  expect_logits({pixels, 20, 0}, options);
  options.attention = {{"sink(4)", 0.5F}, {"exact", 1}};
  EXPECT_GT(std::fabs(logits({pixels, 20, 0}, options)[0] - plain_.forward(pixels.data(), 20)[0]),
            1e-3);
}

// Draws depend on the picture's number: not on the batch, not on the threads.
TEST_F(VitModel, SameBitsForThreadsAndBatches) {
  const auto pixels = pictures(5, 20);
  vit::ForwardOptions options;
  options.attention.assign(2, {"uniform(m=6)", 1});
  options.seed = 3;
  options.threads = 1;
  const std::vector<float> expected = logits({pixels, 20, 0}, options);
  for (const int threads : {2, 3}) {
    options.threads = threads;
    EXPECT_EQ(logits({pixels, 20, 0}, options), expected);
    std::vector<float> joined;
    for (const auto& [first, count] : {std::pair{0, 2}, {2, 1}, {3, 2}}) {
      const std::span part(pixels.data() + first * 1200, static_cast<std::size_t>(count) * 1200);
      const std::vector<float> some = logits({part, 20, first}, options);
      joined.insert(joined.end(), some.begin(), some.end());
    }
    EXPECT_EQ(joined, expected);
  }
  options.seed = 4;
  EXPECT_NE(logits({pixels, 20, 0}, options), expected);
}

TEST_F(VitModel, Positions) {
  for (const std::int64_t to : {1, 2, 3, 5, 8}) {
    const auto found = vit::interpolate_positions(tiny_.at("pos_embed"), TinyVit::dim, 3, to);
    const Matrix expected = plain_.positions(to);
    ASSERT_EQ(std::ssize(found), (1 + to * to) * TinyVit::dim);
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i / TinyVit::dim][i % TinyVit::dim], 1e-6) << to << " " << i;
  }
}

TEST_F(VitModel, WhatItRefuses) {
  const auto pixels = pictures(1, 12);
  vit::ForwardOptions options;
  expect_error([&] { vit::forward(weights_, {pixels, 10, 0}, options); }, "resolution: 10");
  expect_error([&] { vit::forward(weights_, {pixels, 0, 0}, options); }, "resolution: 0");
  expect_error([&] { vit::forward(weights_, {pixels, 1 << 20, 0}, options); }, "resolution");
  expect_error([&] { vit::forward(weights_, {pixels, 8, 0}, options); }, "pixels: 432");
  options.attention.resize(3);
  expect_error([&] { vit::forward(weights_, {pixels, 12, 0}, options); }, "3 choices for 2");
  options.attention.resize(2);
  options.attention[1].temperature = 0;
  expect_error([&] { vit::forward(weights_, {pixels, 12, 0}, options); }, "temperature: 0");
  options.attention[1] = {"unheard_of(3)", 1};
  expect_error([&] { vit::forward(weights_, {pixels, 12, 0}, options); }, "unheard_of");
  EXPECT_TRUE(vit::forward(weights_, {{}, 12, 0}, {}).logits.empty());
}

// --- weights -----------------------------------------------------------------------------------

void expect_refused(TinyVit tiny, const std::function<void(TinyVit&)>& damage,
                    const std::string& words) {
  const TemporaryFolder folder;
  damage(tiny);
  tiny.write(folder / "w.safetensors");
  expect_error([&] { vit::load_weights(folder / "w.safetensors", two_heads()); }, words);
}

TEST_F(VitModel, DamagedWeights) {
  const auto drop = [](const char* name) { return [name](TinyVit& t) { t.tensors.erase(name); }; };
  expect_refused(tiny_, drop("patch_embed.proj.weight"), "no tensor 'patch_embed.proj.weight'");
  expect_refused(tiny_, drop("blocks.0.norm1.weight"), "no tensor 'blocks.0.norm1.weight'");
  expect_refused(tiny_, drop("blocks.1.mlp.fc1.weight"), "no tensor 'blocks.1.mlp.fc1.weight'");
  expect_refused(tiny_, drop("head.bias"), "no tensor 'head.bias'");
  expect_refused(
      tiny_,
      [](TinyVit& t) {
        t.tensors["cls_token"].shape = {1, TinyVit::dim};
      },
      "'cls_token' has shape (1, 24), must have 3 extents");
  expect_refused(
      tiny_,
      [](TinyVit& t) {
        t.tensors["blocks.1.mlp.fc2.weight"].shape = {40, 24};
      },
      "'blocks.1.mlp.fc2.weight' has shape (40, 24), must be (24, 40)");
  expect_refused(
      tiny_, [](TinyVit& t) { t.tensors["norm.bias"].values[5] = std::nanf(""); },
      "'norm.bias' has a value that is not finite");
  expect_refused(
      tiny_, [](TinyVit& t) { t.tensors["dist_token"] = t.tensors["cls_token"]; },
      "'dist_token' is no part");
  expect_refused(
      tiny_,
      [](TinyVit& t) {
        t.tensors["pos_embed"] = {{1, 9, 24}, std::vector<float>(216)};
      },
      "'pos_embed' is for 9 tokens");
}

TEST_F(VitModel, HeadsMustDivideTheChannels) {
  expect_error([&] { vit::load_weights(folder_ / "w.safetensors", {}); }, "num_heads");
  vit::Config config;
  config.heads = 5;
  expect_error([&] { vit::load_weights(folder_ / "w.safetensors", config); }, "5 heads");
}

// A bias of zeros may be left out of qkv.
TEST_F(VitModel, QkvWithoutBias) {
  const auto pixels = pictures(1, 12);
  for (int b = 0; b < 2; ++b) {
    auto& bias = tiny_.tensors["blocks." + std::to_string(b) + ".attn.qkv.bias"].values;
    std::fill(bias.begin(), bias.end(), 0.0F);
  }
  TinyVit without = tiny_;
  without.tensors.erase("blocks.0.attn.qkv.bias");
  without.tensors.erase("blocks.1.attn.qkv.bias");
  without.write(folder_ / "v.safetensors");
  weights_ = vit::load_weights(folder_ / "v.safetensors", two_heads());
  expect_logits({pixels, 12, 0}, {});
}

// --- config ------------------------------------------------------------------------------------

vit::Config config_from(const std::string& text) {
  const TemporaryFolder folder;
  io::write_text(folder / "config.json", text);
  return vit::config_beside(folder / "w.safetensors");
}

TEST(VitConfig, DefaultsAreDeits) {
  const TemporaryFolder folder;
  const vit::Config config = vit::config_beside(folder / "w.safetensors");
  EXPECT_EQ(config.heads, 0);
  EXPECT_EQ(config.preprocessing.filter, vit::Filter::bicubic);
  EXPECT_EQ(config.preprocessing.resize_to / config.preprocessing.crop_to, 256.0 / 224);
}

TEST(VitConfig, OfTheProjectsData) {
  const vit::Config config = config_from(
      R"({"num_heads": 3, "layer_norm_eps": 1e-5, "activation": "gelu_exact", "preprocessing":
          {"resize": "shorter side to S * 248 / 224 (x), triangle filter", "mean": [1, 2, 3],
           "std": [4, 5, 6]}})");
  EXPECT_EQ(config.heads, 3);
  EXPECT_EQ(config.layer_norm_epsilon, 1e-5F);
  EXPECT_EQ(config.preprocessing.filter, vit::Filter::triangle);
  EXPECT_EQ(config.preprocessing.resize_to, 248);
  EXPECT_EQ(config.preprocessing.crop_to, 224);
  EXPECT_EQ(config.preprocessing.mean[2], 3.0F);
  EXPECT_EQ(config.preprocessing.deviation[0], 4.0F);
}

TEST(VitConfig, OfTimm) {
  const vit::Config config = config_from(
      R"({"architecture": "x", "pretrained_cfg": {"interpolation": "bilinear", "crop_pct": 0.9}})");
  EXPECT_EQ(config.preprocessing.filter, vit::Filter::triangle);
  EXPECT_EQ(config.preprocessing.crop_to / config.preprocessing.resize_to, 0.9);
}

TEST(VitConfig, Refusals) {
  const auto refused = [](const std::string& text, const std::string& words) {
    expect_error([&] { config_from(text); }, words);
  };
  refused("{", "config.json: not a JSON object");
  refused("[]", "config.json: not a JSON object");
  refused(R"({"num_heads": "3"})", "num_heads: must be a number");
  refused(R"({"num_heads": 0})", "num_heads: 0 is outside");
  refused(R"({"activation": "relu"})", "activation: 'relu'");
  refused(R"({"mean": [1, 2]})", "mean: must be a list of 3");
  refused(R"({"std": [1, 0, 1]})", "std: entry 1");
  refused(R"({"crop_pct": 1.5})", "crop_pct: 1.5 is outside");
  refused(R"({"interpolation": "nearest"})", "interpolation: 'nearest'");
  refused(R"({"preprocessing": {"resize": "bicubic to 256"}})", "resize: needs 'S * A / B'");
  refused(R"({"preprocessing": 3})", "preprocessing: must be an object");
}

// --- options and scores ------------------------------------------------------------------------

TEST(VitBlocks, Choices) {
  const auto chosen = [](const char* text) {
    std::vector<int> numbers;
    const std::vector<bool> all = models::choose_layers(text, 5, "--layers");
    for (int b = 0; b < 5; ++b)
      if (all[static_cast<std::size_t>(b)]) numbers.push_back(b);
    return numbers;
  };
  EXPECT_EQ(chosen("all"), (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(chosen("1-3"), (std::vector{1, 2, 3}));
  EXPECT_EQ(chosen("2"), (std::vector{2}));
  EXPECT_EQ(chosen("last:2"), (std::vector{3, 4}));
  EXPECT_EQ(chosen("last:5"), chosen("all"));
  for (const char* text : {"", "some", "-", "1-", "-1", "3-1", "0-5", "5", "last:", "last:0",
                           "last:6", "last:-1", "1-2-3", "1.5", "99999999999999999999"})
    expect_error([&] { models::choose_layers(text, 5, "--layers"); }, "--layers: '");
}

TEST(VitAgreement, Counts) {
  const std::vector<float> reference{1, 3, 2, 0, -1, -2}, other{3, 1, 2, 0, -1, -2};
  vit::Agreement agreement;
  agreement.add(reference, reference, 1);
  EXPECT_EQ(agreement.kl, 0);
  agreement.add(other, reference, 0);
  agreement.add(other, reference, 5);
  agreement.add(other, reference, -1);
  EXPECT_EQ(agreement.images, 4);
  EXPECT_EQ(agreement.top1, 2);
  EXPECT_EQ(agreement.top5, 2);
  EXPECT_EQ(agreement.same_top1, 1);
  double sum = 0;
  for (const float x : reference) sum += std::exp(static_cast<double>(x));
  double kl = 0;
  for (std::size_t c = 0; c < 6; ++c)
    kl += std::exp(static_cast<double>(reference[c])) / sum *
          static_cast<double>(reference[c] - other[c]);
  EXPECT_NEAR(agreement.kl, 3 * kl, 1e-12);
}

TEST(VitAgreement, TopAnswers) {
  const float log2 = std::log(2.0f);
  const std::vector<float> logits{0, log2, 2 * log2, log2};  // shares 1, 2, 4, 2 of 9
  const auto answers = vit::top_answers(logits, 3);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].label, 2);
  EXPECT_EQ(answers[1].label, 1);  // of equal ones the lower
  EXPECT_EQ(answers[2].label, 3);
  EXPECT_NEAR(answers[0].probability, 4.0 / 9, 1e-6);
  EXPECT_NEAR(answers[2].probability, 2.0 / 9, 1e-6);
  EXPECT_EQ(vit::top_answers(logits, 9).size(), 4u);
  const auto odd = vit::top_answers(std::vector<float>{NAN, 1, NAN, 2}, 4);
  EXPECT_EQ(odd[0].label, 3);
  EXPECT_EQ(odd[3].label, 2);
  EXPECT_TRUE(std::isnan(odd[0].probability));
}

TEST(VitAgreement, NotANumberIsWrong) {
  const std::vector<float> reference{1, 3, 2}, broken(3, std::nanf(""));
  vit::Agreement agreement;
  agreement.add(broken, reference, 1);
  EXPECT_EQ(agreement.top1 + agreement.same_top1, 0);
  EXPECT_TRUE(std::isnan(agreement.kl));
}

TEST(VitMetrics, KeptKeys) {
  EXPECT_EQ(vit::kept_keys("exact"), 0);
  EXPECT_EQ(vit::kept_keys("topk(k=100)"), 100);
  EXPECT_EQ(vit::kept_keys("topk(8)"), 8);
  EXPECT_EQ(vit::kept_keys("topk(k=8)+uniform(m=4)"), -1);
  EXPECT_EQ(vit::kept_keys("hyper"), -1);
}

double plain_similarity(const Matrix& x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) {
      double dot = 0, a = 0, b = 0;
      for (std::size_t c = 0; c < x[i].size(); ++c) {
        dot += x[i][c] * x[j][c];
        a += x[i][c] * x[i][c];
        b += x[j][c] * x[j][c];
      }
      if (i != j) sum += dot / std::sqrt(a * b);
    }
  return sum / static_cast<double>(x.size() * (x.size() - 1));
}

TEST_F(VitModel, MetricsOfEveryBlock) {
  const std::int64_t images = 2, size = 16;
  const auto pixels = pictures(images, size);
  vit::ForwardOptions options;
  options.attention.resize(2);
  vit::NetworkMetrics metrics(options.attention, 2);
  options.observe = [&](const vit::BranchView& view) { metrics.observe(view); };
  vit::forward(weights_, {pixels, size, 0}, options);
  std::vector<double> similarity(2), attention(2), mlp(2), deviation(2);
  for (std::int64_t i = 0; i < images; ++i) {
    plain_.forward(pixels.data() + i * 3 * size * size, size);
    for (std::size_t b = 0; b < 2; ++b) {
      similarity[b] += plain_similarity(plain_.outputs[b]) / 2;
      attention[b] += plain_.attention_ratio[b] / 2;
      mlp[b] += plain_.mlp_ratio[b] / 2;
      deviation[b] += plain_.weight_std[b] / 2;
    }
  }
  const std::vector<vit::BlockMetrics> found = metrics.means();
  for (std::size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(found[b].images, images);
    EXPECT_NEAR(found[b].token_similarity, similarity[b], 1e-5);
    EXPECT_NEAR(found[b].residual_attention, attention[b], 1e-5);
    EXPECT_NEAR(found[b].residual_mlp, mlp[b], 1e-5);
    ASSERT_EQ(found[b].weight_std.size(), 2u);
    EXPECT_NEAR((found[b].weight_std[0] + found[b].weight_std[1]) / 2, deviation[b], 1e-6);
  }
}

}  // namespace
}  // namespace subquad::testing
