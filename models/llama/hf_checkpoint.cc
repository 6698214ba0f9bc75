#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/json_file.h"
#include "config/json_keys.h"
#include "io/text.h"
#include "llama/formats.h"
#include "llama/hf_config.h"
#include "llama/named_weights.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::llama {
namespace {

namespace fs = std::filesystem;

constexpr TensorNames hf_names{
    .embedding = "model.embed_tokens.weight",
    .final_norm = "model.norm.weight",
    .classifier = "lm_head.weight",
    .attention_norm = "model.layers.{}.input_layernorm.weight",
    .query = "model.layers.{}.self_attn.q_proj.weight",
    .key = "model.layers.{}.self_attn.k_proj.weight",
    .value = "model.layers.{}.self_attn.v_proj.weight",
    .output = "model.layers.{}.self_attn.o_proj.weight",
    .query_bias = "model.layers.{}.self_attn.q_proj.bias",
    .key_bias = "model.layers.{}.self_attn.k_proj.bias",
    .value_bias = "model.layers.{}.self_attn.v_proj.bias",
    .feed_forward_norm = "model.layers.{}.post_attention_layernorm.weight",
    .gate = "model.layers.{}.mlp.gate_proj.weight",
    .up = "model.layers.{}.mlp.up_proj.weight",
    .down = "model.layers.{}.mlp.down_proj.weight",
    .ignored = ".rotary_emb.inv_freq"};

std::optional<WeightType> weight_type(io::ElementType type) {
  if (type == io::ElementType::f32) return WeightType::f32;
  if (type == io::ElementType::f16) return WeightType::f16;
  if (type == io::ElementType::bf16) return WeightType::bf16;
  return std::nullopt;
}

// The tensors of one or several safetensors files, without `hidden`.
class HfTensors final : public TensorSource {
 public:
  HfTensors(const std::vector<std::string>& paths, const std::string& hidden) : first_(paths[0]) {
    for (const std::string& path : paths) {
      files_->push_back(io::TensorFile::open(path));
      for (const std::string& name : files_->back().names())
        if (name != hidden && !places_.emplace(name, Place{path, files_->size() - 1}).second)
          fail(name, "is in " + io::printable(path) + " too");
    }
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, place] : places_) all.push_back(name);
    return all;
  }
  StoredTensor read(const std::string& name) override {
    const io::Tensor& tensor = (*files_)[places_.at(name).file].at(name);
    const auto type = weight_type(tensor.type);
    if (!type)
      fail(name, fmt::format("has type {}, must be f32, f16 or bf16", io::name_of(tensor.type)));
    return {*type, tensor.shape, static_cast<const std::byte*>(tensor.data)};
  }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const override {
    const auto place = places_.find(name);
    const std::string& path = place == places_.end() ? first_ : place->second.path;
    throw_invalid(fmt::format("{}: tensor {}: {}", io::printable(path), io::in_quotes(name), what));
  }
  bool has(const std::string& name) const { return places_.contains(name); }
  std::shared_ptr<const void> storage() const { return files_; }

 private:
  struct Place {
    std::string path;
    std::size_t file;
  };
  std::string first_;
  std::shared_ptr<std::vector<io::TensorFile>> files_ =
      std::make_shared<std::vector<io::TensorFile>>();
  std::map<std::string, Place> places_;
};

// The files that an index names, all in its folder.
std::set<std::string> read_index(const fs::path& path) {
  const std::string where = io::printable(path.string());
  const nlohmann::json json = models::parse_json_file(path.string(), where);
  const auto map = models::JsonKeys(json, where).object("weight_map");
  if (!map) throw_invalid(where + ": weight_map: is missing");
  std::set<std::string> files;
  for (const auto& item : map->json().items()) {
    const std::string file = item.value().is_string() ? item.value().get<std::string>() : "";
    if (file.empty() || fs::path(file).filename() != file)
      map->fail(io::in_quotes(item.key()), "must be the name of a file beside it");
    files.insert(file);
  }
  if (files.empty()) throw_invalid(where + ": weight_map: is empty");
  return files;
}

// The files of a checkpoint: those of an index where there is one and it has the file asked for.
std::vector<std::string> find_files(const fs::path& folder, const std::string& asked) {
  const fs::path index = folder / "model.safetensors.index.json";
  const std::string single = asked.empty() ? "model.safetensors" : asked;
  std::error_code ignored;
  if (!fs::exists(index, ignored)) return {(folder / single).string()};
  const std::set<std::string> shards = read_index(index);
  if (!asked.empty() && !shards.contains(asked)) return {(folder / single).string()};
  std::vector<std::string> paths;
  for (const std::string& shard : shards) paths.push_back((folder / shard).string());
  return paths;
}

}  // namespace

Checkpoint read_hf_checkpoint(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const fs::path folder = is_folder ? fs::path(path) : fs::path(path).parent_path();
  const HfConfig config = read_hf_config((folder / "config.json").string());
  const std::string asked = is_folder ? "" : fs::path(path).filename().string();
  HfTensors tensors(find_files(folder, asked), config.tied ? hf_names.classifier : "");
  if (!config.tied && !tensors.has(hf_names.classifier))
    tensors.fail(hf_names.classifier, "is missing, and tie_word_embeddings is not true");
  Checkpoint checkpoint;
  checkpoint.config = config.config;
  read_named_weights(tensors, hf_names, checkpoint);
  checkpoint.storage = tensors.storage();
  return checkpoint;
}

}  // namespace subquad::llama
