// Checkpoints of the three formats: the same weights, and what is refused.
#include <sys/stat.h>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "llama/checkpoint_vocabulary.h"
#include "llama/formats.h"
#include "support/tiny_llama.h"
#include "unit/io_support.h"

namespace subquad::llama {
namespace {

using testing::ByteList;
using testing::GgufBuilder;
using testing::TinyLlama;
using testing::TinyTensor;

const std::string label = "tiny.gguf";

gguf::File parse_gguf(const ByteList& bytes) {
  return gguf::File::parse(std::as_bytes(std::span(bytes)), label);
}

std::vector<float> values_of(const WeightMatrix& matrix) {
  std::vector<float> values(static_cast<std::size_t>(matrix.rows * matrix.cols));
  for (std::int64_t row = 0; row < matrix.rows; ++row)
    widen_row(matrix, row, values.data() + row * matrix.cols);
  return values;
}

// Where the numbered weights of tiny_llama_tensors must be in a checkpoint.
std::vector<std::vector<float>> weights_of(const Checkpoint& checkpoint, const TinyLlama& model) {
  std::vector<std::vector<float>> all{values_of(checkpoint.embedding)};
  for (const LlamaLayer& layer : checkpoint.layers) {
    all.push_back(layer.attention_norm);
    for (const WeightMatrix* matrix : {&layer.query, &layer.key, &layer.value, &layer.output})
      all.push_back(values_of(*matrix));
    if (model.biases)
      for (const auto* bias : {&layer.query_bias, &layer.key_bias, &layer.value_bias})
        all.push_back(*bias);
    all.push_back(layer.feed_forward_norm);
    for (const WeightMatrix* matrix : {&layer.gate, &layer.up, &layer.down})
      all.push_back(values_of(*matrix));
  }
  all.push_back(checkpoint.final_norm);
  if (!model.tied) all.push_back(values_of(checkpoint.classifier));
  return all;
}

void expect_weights(const Checkpoint& checkpoint, const TinyLlama& model) {
  const auto tensors = testing::tiny_llama_tensors(model);
  const auto weights = weights_of(checkpoint, model);
  ASSERT_EQ(weights.size(), tensors.size());
  for (std::uint32_t i = 0; i < tensors.size(); ++i)
    EXPECT_EQ(weights[i], testing::tiny_weights(i, testing::count_of(tensors[i])))
        << tensors[i].name;
  EXPECT_EQ(checkpoint.classifier.data == checkpoint.embedding.data, model.tied);
}

void expect_shape(const LlamaConfig& config) {
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.width, 32);
  EXPECT_EQ(config.hidden, 64);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.vocabulary, 40);
  EXPECT_EQ(config.context, 128);
  EXPECT_EQ(config.rotary.dimensions, 8);
  EXPECT_EQ(config.rotary.scaling, RotaryScaling::none);
}

TEST(LlamaCheckpoint, ReadsGguf) {
  for (const bool tied : {true, false}) {
    TinyLlama model;
    model.tied = tied;
    const ByteList bytes = testing::tiny_llama(model);
    const Checkpoint checkpoint = read_gguf_checkpoint(parse_gguf(bytes));
    expect_shape(checkpoint.config);
    expect_weights(checkpoint, model);
    EXPECT_EQ(checkpoint.config.name, "tiny");
    EXPECT_EQ(checkpoint.config.norm_epsilon, 1e-6f);
    EXPECT_EQ(checkpoint.config.rotary.base, 5000);
    EXPECT_EQ(checkpoint.config.rotary.pairs, RotaryPairs::neighbours);
    EXPECT_TRUE(checkpoint.layers[0].query_bias.empty());
  }
}

TEST(LlamaCheckpoint, ReadsQwen2WithItsBiasesAndPairs) {
  TinyLlama model;
  model.architecture = "qwen2";
  model.biases = true;
  const ByteList bytes = testing::tiny_llama(model);
  const Checkpoint checkpoint = read_gguf_checkpoint(parse_gguf(bytes));
  expect_weights(checkpoint, model);
  EXPECT_EQ(checkpoint.config.rotary.pairs, RotaryPairs::halves);
}

TEST(LlamaCheckpoint, OutlivesItsGgufFile) {
  const io::TemporaryFolder folder;
  io::write_whole(folder / "tiny.gguf", testing::tiny_llama({}));
  const Checkpoint checkpoint = load_checkpoint(folder / "tiny.gguf");
  std::filesystem::remove(folder / "tiny.gguf");
  expect_weights(checkpoint, {});
}

// With keys added, and all tensors.
Checkpoint with_keys(const std::function<void(GgufBuilder&)>& add) {
  GgufBuilder file = testing::tiny_llama_keys({});
  add(file);
  const ByteList bytes = testing::add_tiny_tensors(file, {}).build();
  return read_gguf_checkpoint(parse_gguf(bytes));
}

TEST(LlamaCheckpoint, ReadsRotaryScaling) {
  RotaryConfig rotary = with_keys([](GgufBuilder& file) {
                          file.text("llama.rope.scaling.type", "linear");
                          file.number("llama.rope.scaling.factor", 4.0f);
                        }).config.rotary;
  EXPECT_EQ(rotary.scaling, RotaryScaling::linear);
  EXPECT_EQ(rotary.factor, 4);
  rotary = with_keys([](GgufBuilder& file) {
             file.text("llama.rope.scaling.type", "yarn").number("llama.rope.scaling.factor", 8.0f);
             file.number("llama.rope.scaling.original_context_length", std::uint32_t{16});
             file.number("llama.rope.dimension_count", std::uint32_t{4});
           }).config.rotary;
  EXPECT_EQ(rotary.scaling, RotaryScaling::yarn);
  EXPECT_EQ(rotary.original_context, 16);
  EXPECT_EQ(rotary.dimensions, 4);
  rotary = with_keys([](GgufBuilder& file) {
             file.number("llama.rope.scale_linear", 2.0f);
           }).config.rotary;
  EXPECT_EQ(rotary.scaling, RotaryScaling::linear);
  EXPECT_EQ(rotary.factor, 2);
}

TEST(LlamaCheckpoint, ReadsRotaryDivisors) {
  GgufBuilder file = testing::tiny_llama_keys({});
  testing::add_tiny_tensors(file, {}).floats("rope_freqs.weight", {4}, {1, 1, 3, 8});
  const ByteList bytes = file.build();
  const RotaryConfig rotary = read_gguf_checkpoint(parse_gguf(bytes)).config.rotary;
  EXPECT_EQ(rotary.divisors, (std::vector<float>{1, 1, 3, 8}));
  RotaryConfig other = rotary;
  EXPECT_TRUE(rotary.turns_as(other));
  other.divisors.clear();
  EXPECT_FALSE(rotary.turns_as(other));
}

TEST(LlamaCheckpoint, RefusesKeysThatItCannotHonour) {
  const auto refuse = [](const std::string& expected,
                         const std::function<void(GgufBuilder&)>& add) {
    SCOPED_TRACE(expected);
    io::expect_error([&] { (void)with_keys(add); }, label + ": " + expected);
  };
  refuse("llama.rope.scaling.type: \"longrope\" is not supported",
         [](auto& file) { file.text("llama.rope.scaling.type", "longrope"); });
  refuse("llama.expert_count: 8 is not supported",
         [](auto& file) { file.number("llama.expert_count", std::uint32_t{8}); });
  refuse("llama.attention.sliding_window: 4096 is not supported",
         [](auto& file) { file.number("llama.attention.sliding_window", std::uint32_t{4096}); });
  refuse("llama.logit_scale: 0.5 is not supported",
         [](auto& file) { file.number("llama.logit_scale", 0.5f); });
  refuse("rotary dimensions 5 must be even",
         [](auto& file) { file.number("llama.rope.dimension_count", std::uint32_t{5}); });
  refuse("llama.attention.value_length: must be attention.key_length",
         [](auto& file) { file.number("llama.attention.value_length", std::uint32_t{16}); });
  refuse("tensor \"token_embd.weight\": has 40 rows, the vocabulary 41 tokens",
         [](auto& file) { file.number("llama.vocab_size", std::uint32_t{41}); });
}

TEST(LlamaCheckpoint, RefusesOtherArchitectures) {
  const auto refuse = [](const ByteList& bytes, const std::string& expected) {
    io::expect_error([&] { (void)read_gguf_checkpoint(parse_gguf(bytes)); }, expected);
  };
  TinyLlama model;
  model.architecture = "gemma3";
  refuse(testing::tiny_llama(model), "general.architecture: \"gemma3\" is not supported");
  refuse(GgufBuilder().build(), "general.architecture: is missing");
  refuse(GgufBuilder().text("general.architecture", "llama").build(),
         "llama.block_count: is missing");
  model = {};
  model.kv_heads = 3;
  refuse(testing::tiny_llama(model), "4 heads do not divide among 3 key/value heads");
  model.heads = 5;
  refuse(testing::tiny_llama(model), "llama.attention.head_count: 5 does not divide the width 32");
  model.heads = 0;
  refuse(testing::tiny_llama_keys(model).build(), "llama.attention.head_count: must be at least 1");
  model = {};
  model.layers = 1u << 31;
  refuse(testing::tiny_llama_keys(model).build(), "number of layers 2147483648 is outside 1 to");
}

// The tiny model with one tensor changed by `change`, which may add it in another way.
void expect_tensor_refused(const std::string& name, const std::string& expected,
                           const std::function<void(GgufBuilder&)>& change) {
  SCOPED_TRACE(expected);
  GgufBuilder file = testing::tiny_llama_keys({});
  const auto tensors = testing::tiny_llama_tensors({});
  for (std::uint32_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].name != name)
      file.floats(tensors[i].name, tensors[i].shape,
                  testing::tiny_weights(i, testing::count_of(tensors[i])));
  change(file);
  const ByteList bytes = file.build();
  io::expect_error([&] { (void)read_gguf_checkpoint(parse_gguf(bytes)); },
                   label + ": tensor \"" + name + "\": " + expected);
}

TEST(LlamaCheckpoint, RefusesTensorsByName) {
  for (const TinyTensor& tensor : testing::tiny_llama_tensors({}))
    expect_tensor_refused(tensor.name, "is missing", [](GgufBuilder&) {});
  const std::string query = "blk.1.attn_q.weight", norm = "blk.0.ffn_norm.weight";
  expect_tensor_refused(query, "has shape (32, 64), must be (32, 32)", [&](GgufBuilder& file) {
    file.floats(query, {32, 64}, std::vector<float>(2048));
  });
  expect_tensor_refused(norm, "has shape (1, 32), must be (32)", [&](GgufBuilder& file) {
    file.floats(norm, {1, 32}, std::vector<float>(32));
  });
  expect_tensor_refused(norm, "has a value that is not finite", [&](GgufBuilder& file) {
    file.floats(norm, {32}, std::vector<float>(32, NAN));
  });
  expect_tensor_refused(query, "has type IQ4_NL; we read F32", [&](GgufBuilder& file) {
    file.tensor(query, {32, 32}, 20, ByteList(576));
  });
  expect_tensor_refused("rope_other.weight", "is no part of a Llama model that we can run",
                        [](GgufBuilder& file) {
                          file.floats("rope_other.weight", {4}, {1, 1, 1, 1});
                        });
  expect_tensor_refused("rope_freqs.weight", "has shape (5), must be (4)", [](GgufBuilder& file) {
    file.floats("rope_freqs.weight", {5}, {1, 1, 1, 1, 1});
  });
  expect_tensor_refused("rope_freqs.weight", "0 divides no angle", [](GgufBuilder& file) {
    file.floats("rope_freqs.weight", {4}, {1, 1, 0, 1});
  });
  expect_tensor_refused(
      "token_embd.weight", "has shape (40), must be (40, 32)",
      [](GgufBuilder& file) { file.floats("token_embd.weight", {40}, std::vector<float>(40)); });
}

// llama2.c's layout of the same weights.
ByteList llama2c_file(const TinyLlama& model, std::int32_t context) {
  ByteList bytes;
  const auto vocabulary = static_cast<std::int32_t>(model.vocabulary);
  for (const std::int32_t field :
       {std::int32_t(model.width), std::int32_t(model.hidden), std::int32_t(model.layers),
        std::int32_t(model.heads), std::int32_t(model.kv_heads),
        model.tied ? vocabulary : -vocabulary, context})
    testing::put_value(bytes, field);
  const auto tensors = testing::tiny_llama_tensors(model);
  const auto add = [&](const std::string& part) {
    for (std::uint32_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].name == part || tensors[i].name.ends_with("." + part))
        for (const float value : testing::tiny_weights(i, testing::count_of(tensors[i])))
          testing::put_value(bytes, value);
  };
  for (const char* part :
       {"token_embd.weight", "attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight",
        "attn_output.weight", "ffn_norm.weight", "ffn_gate.weight", "ffn_down.weight",
        "ffn_up.weight"})
    add(part);
  add("output_norm.weight");
  const std::uint32_t head_dim = model.width / model.heads;
  for (std::uint32_t i = 0; i < std::uint32_t(context) * head_dim; ++i)
    testing::put_value(bytes, NAN);  // angles, which nobody reads
  if (!model.tied) add("output.weight");
  return bytes;
}

TEST(LlamaCheckpoint, ReadsLlama2c) {
  const io::TemporaryFolder folder;
  for (const bool tied : {true, false}) {
    TinyLlama model;
    model.tied = tied;
    io::write_whole(folder / "model.bin", llama2c_file(model, 128));
    const Checkpoint checkpoint = load_checkpoint(folder / "model.bin");
    expect_shape(checkpoint.config);
    expect_weights(checkpoint, model);
    EXPECT_EQ(checkpoint.config.norm_epsilon, 1e-5f);
    EXPECT_EQ(checkpoint.config.rotary.pairs, RotaryPairs::neighbours);
  }
}

TEST(LlamaCheckpoint, RefusesOtherLlama2cFiles) {
  const ByteList whole = llama2c_file({}, 16);
  const auto refuse = [](const ByteList& bytes, const std::string& expected) {
    io::expect_error(
        [&] { (void)parse_llama2c_checkpoint(std::as_bytes(std::span(bytes)), "model.bin"); },
        "model.bin: " + expected);
  };
  for (std::size_t size = 0; size < 28; ++size)
    refuse(ByteList(whole.begin(), whole.begin() + std::ptrdiff_t(size)), "header: truncated");
  refuse(ByteList(whole.begin(), whole.end() - 4), "file: has");
  ByteList longer = whole;
  longer.push_back(0);
  refuse(longer, "file: has");
  const auto with_field = [&](std::size_t field, std::int32_t value) {
    ByteList bytes = whole;
    io::put(bytes, 4 * field, value);
    return bytes;
  };
  refuse(with_field(0, 0x616b3432), "header: version 64 of llama2.c is not supported");
  refuse(with_field(0, 33), "header: 4 heads do not divide the width 33");
  refuse(with_field(3, 0), "header: 0 heads do not divide the width 32");
  refuse(with_field(5, 0), "header: the vocabulary is empty");
  refuse(with_field(2, -1), "number of layers -1 is outside");
  refuse(with_field(1, std::numeric_limits<std::int32_t>::max()), "feed-forward width");
  refuse(with_field(2, 3), "file: has");
  ByteList broken = whole;
  io::put(broken, 28, std::numeric_limits<float>::infinity());
  refuse(broken, "token_embedding_table: has a value that is not finite");
}

// A Hugging Face folder of the same weights.
class HfFolder {
 public:
  explicit HfFolder(const TinyLlama& model) : model_(model) {
    config = {{"architectures", {"LlamaForCausalLM"}},
              {"hidden_size", model.width},
              {"intermediate_size", model.hidden},
              {"num_hidden_layers", model.layers},
              {"num_attention_heads", model.heads},
              {"num_key_value_heads", model.kv_heads},
              {"vocab_size", model.vocabulary},
              {"max_position_embeddings", 128},
              {"rope_theta", 5000.0},
              {"tie_word_embeddings", model.tied}};
  }

  nlohmann::json config;

  std::string path(const std::string& name = "") const { return folder_ / name; }
  void write_config() const { io::write_text(path("config.json"), config.dump()); }
  // Tensors number `begin` to `end` - 1 to one file.
  std::vector<std::string> write_weights(const std::string& name, std::size_t begin,
                                         std::size_t end) const {
    const auto tensors = testing::tiny_llama_tensors(model_);
    std::vector<std::string> names;
    std::vector<std::vector<float>> values;
    std::vector<io::Tensor> list;
    for (std::size_t i = begin; i < std::min(end, tensors.size()); ++i) {
      values.push_back(testing::tiny_weights(std::uint32_t(i), testing::count_of(tensors[i])));
      names.push_back(hf_name(tensors[i].name));
      list.push_back({names.back(),
                      io::ElementType::f32,
                      {tensors[i].shape.begin(), tensors[i].shape.end()},
                      values.back().data()});
    }
    io::write_file(path(name), list);
    return names;
  }

 private:
  static std::string hf_name(std::string name) {
    const std::pair<const char*, const char*> parts[] = {
        {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"},
        {"attn_norm", "input_layernorm"},     {"ffn_norm", "post_attention_layernorm"},
        {"attn_q", "self_attn.q_proj"},       {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},       {"attn_output", "self_attn.o_proj"},
        {"ffn_gate", "mlp.gate_proj"},        {"ffn_up", "mlp.up_proj"},
        {"ffn_down", "mlp.down_proj"},        {"blk.", "model.layers."}};
    for (const auto& [from, to] : parts)
      if (const std::size_t at = name.find(from); at != std::string::npos)
        name.replace(at, std::string(from).size(), to);
    return name == "output.weight" ? "lm_head.weight" : name;
  }

  TinyLlama model_;
  io::TemporaryFolder folder_;
};

TEST(LlamaCheckpoint, ReadsHuggingFace) {
  for (const bool tied : {true, false}) {
    TinyLlama model;
    model.tied = tied;
    const HfFolder folder(model);
    folder.write_config();
    (void)folder.write_weights("model.safetensors", 0, 99);
    for (const std::string& path : {folder.path(), folder.path("model.safetensors")}) {
      const Checkpoint checkpoint = load_checkpoint(path);
      expect_shape(checkpoint.config);
      expect_weights(checkpoint, model);
      EXPECT_EQ(checkpoint.config.norm_epsilon, 1e-6f);
      EXPECT_EQ(checkpoint.config.rotary.base, 5000);
      EXPECT_EQ(checkpoint.config.rotary.pairs, RotaryPairs::halves);
    }
  }
}

TEST(LlamaCheckpoint, ReadsShards) {
  const HfFolder folder({});
  folder.write_config();
  nlohmann::json map;
  for (const std::string& name : folder.write_weights("a.safetensors", 0, 7))
    map[name] = "a.safetensors";
  for (const std::string& name : folder.write_weights("b.safetensors", 7, 99))
    map[name] = "b.safetensors";
  const std::string index = folder.path("model.safetensors.index.json");
  io::write_text(index, nlohmann::json{{"weight_map", map}}.dump());
  expect_weights(load_checkpoint(folder.path()), {});
  expect_weights(load_checkpoint(folder.path("b.safetensors")), {});
  map["model.norm.weight"] = "../b.safetensors";
  io::write_text(index, nlohmann::json{{"weight_map", map}}.dump());
  io::expect_error([&] { (void)load_checkpoint(folder.path()); },
                   "weight_map: \"model.norm.weight\": must be the name of a file beside it");
  const auto refuse = [&](const std::string& tensor, const std::string& file,
                          const std::string& expected) {
    nlohmann::json changed = map;
    changed["model.norm.weight"] = "b.safetensors";
    changed[tensor] = file;
    io::write_text(index, nlohmann::json{{"weight_map", changed}}.dump());
    io::expect_error([&] { (void)load_checkpoint(folder.path()); },
                     "model.safetensors.index.json: weight_map: \"" + tensor + "\": " + expected);
  };
  refuse("model.norm.weight", "a.safetensors", "is in \"b.safetensors\", not in \"a.safetensors\"");
  refuse("model.other.weight", "a.safetensors",
         "is in none of the files, not in \"a.safetensors\"");
  (void)folder.write_weights("b.safetensors", 0, 99);
  map["model.norm.weight"] = "b.safetensors";
  io::write_text(index, nlohmann::json{{"weight_map", map}}.dump());
  io::expect_error([&] { (void)load_checkpoint(folder.path()); }, "is in");
}

TEST(LlamaCheckpoint, ReadsOrRefusesKeysOfConfigJson) {
  HfFolder folder({});
  (void)folder.write_weights("model.safetensors", 0, 99);
  const nlohmann::json plain = folder.config;
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    folder.config = plain;
    folder.config[key] = value;
    folder.write_config();
    return load_checkpoint(folder.path()).config.rotary;
  };
  EXPECT_EQ(with("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}).factor, 2);
  const RotaryConfig yarn =
      with("rope_scaling",
           {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}});
  EXPECT_EQ(yarn.scaling, RotaryScaling::yarn);
  EXPECT_EQ(yarn.original_context, 32);
  EXPECT_EQ(with("rope_scaling", nullptr).scaling, RotaryScaling::none);
  EXPECT_EQ(with("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 7.0}}).base, 7);
  EXPECT_EQ(with("head_dim", 8).dimensions, 8);
  const auto refuse = [&](const std::string& key, const nlohmann::json& value,
                          const std::string& expected) {
    io::expect_error([&] { (void)with(key, value); }, "config.json: " + expected);
  };
  refuse("architectures", {"MambaForCausalLM"}, "architectures: \"MambaForCausalLM\" is not");
  refuse("hidden_act", "gelu", "hidden_act: \"gelu\" is not supported");
  nlohmann::json llama3{{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  const RotaryConfig turns = with("rope_scaling", llama3);
  EXPECT_EQ(turns.scaling, RotaryScaling::llama3);
  EXPECT_EQ(std::vector<float>({turns.factor, turns.few_turns, turns.many_turns}),
            std::vector<float>({8, 1, 4}));
  EXPECT_EQ(turns.original_context, 64);
  for (const char* key : {"factor", "low_freq_factor", "original_max_position_embeddings"}) {
    nlohmann::json part = llama3;
    part.erase(key);
    refuse("rope_scaling", part, std::string("rope_scaling: ") + key + ": is missing");
  }
  llama3["low_freq_factor"] = 4.0;
  refuse("rope_scaling", llama3, "low_freq_factor 4 must be below high_freq_factor 4");
  refuse("rope_scaling", {{"rope_type", "dynamic"}, {"factor", 8.0}},
         "rope_scaling: rope_type: \"dynamic\" is not supported");
  refuse("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}, {"attention_factor", 1.5}},
         "rope_scaling: attention_factor: 1.5 is not supported");
  refuse("rope_scaling", {{"rope_type", "yarn"}}, "rope_scaling: factor: is missing");
  refuse("hidden_size", "wide", "hidden_size: must be a whole number");
  refuse("hidden_size", nullptr, "hidden_size: is missing");
  refuse("partial_rotary_factor", 1e300, "partial_rotary_factor: must be above 0");
  refuse("rope_theta", 1e300, "rotary base inf is outside");
  refuse("rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}, {"a\nb", 1}},
         "rope_scaling: a?b: 1 is not supported");
  refuse("quantization_config", {{"bits", 4}}, "quantization_config: is not supported");
  io::expect_error([&] { (void)with("tie_word_embeddings", false); },
                   "tensor \"lm_head.weight\": is missing, and tie_word_embeddings is not true");
  io::expect_error([&] { (void)with("vocab_size", 41); }, "has 40 rows, the vocabulary 41 tokens");
}

// Files of tied models may name the classifier that they lack.
TEST(LlamaCheckpoint, IgnoresTheClassifierInTheIndexOfATiedModel) {
  const HfFolder folder({});
  folder.write_config();
  nlohmann::json map;
  for (const std::string& name : folder.write_weights("a.safetensors", 0, 99))
    map[name] = "a.safetensors";
  map["lm_head.weight"] = "a.safetensors";
  io::write_text(folder.path("model.safetensors.index.json"),
                 nlohmann::json{{"weight_map", map}}.dump());
  expect_weights(load_checkpoint(folder.path()), {});
}

TEST(LlamaCheckpoint, RefusesAConfigThatIsNoFile) {
  const HfFolder folder({});
  (void)folder.write_weights("model.safetensors", 0, 99);
  ASSERT_EQ(::mkfifo(folder.path("config.json").c_str(), 0600), 0);
  io::expect_error([&] { (void)load_checkpoint(folder.path()); },
                   "config.json: is not a regular file");
}

TEST(LlamaCheckpoint, HasARowForEachToken) {
  Checkpoint checkpoint;
  tokenizer::Vocabulary vocabulary;
  vocabulary.label = "tokenizer.json";
  vocabulary.pieces.resize(40, {"a", tokenizer::PieceKind::normal});
  const tokenizer::Tokenizer tokenizer(vocabulary);
  for (const std::int64_t rows : {40, 41}) {
    checkpoint.config.vocabulary = rows;
    EXPECT_NO_THROW(check_vocabulary(checkpoint, tokenizer));
  }
  checkpoint.config.vocabulary = 39;
  io::expect_error([&] { check_vocabulary(checkpoint, tokenizer); },
                   "tokenizer.json: has 40 tokens, the model rows for 39 only");
}

TEST(LlamaCheckpoint, NamesWhatIsNoCheckpoint) {
  const io::TemporaryFolder folder;
  io::write_text(folder / "a.txt", "text");
  io::write_text(folder / "a.gguf", "text");
  io::expect_error([&] { (void)load_checkpoint(folder / "a.txt"); },
                   "a.txt: file: is no checkpoint");
  io::expect_error([&] { (void)load_checkpoint(folder / "a.gguf"); }, "not a GGUF file");
  io::expect_error([&] { (void)load_checkpoint(folder / "absent"); }, "absent: file: cannot open");
  io::expect_error([&] { (void)load_checkpoint(folder / ""); }, "config.json: cannot be read");
}

}  // namespace
}  // namespace subquad::llama
