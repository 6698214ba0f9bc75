#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
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
  // The file that has a tensor; empty where none has.
  std::string path_of(const std::string& name) const {
    const auto place = places_.find(name);
    return place == places_.end() ? "" : place->second.path;
  }
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

// model.safetensors.index.json: which file beside it has which tensor.
struct TensorIndex {
  std::string where;
  std::map<std::string, std::string> files;  // by tensor

  bool names_file(const std::string& file) const {
    return std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.second == file; });
  }
};

TensorIndex read_index(const fs::path& path) {
  TensorIndex index;
  index.where = io::printable(path.string());
  const nlohmann::json json = models::parse_json_file(path.string(), index.where);
  const auto map = models::JsonKeys(json, index.where).object("weight_map");
  if (!map) throw_invalid(index.where + ": weight_map: is missing");
  for (const auto& item : map->json().items()) {
    const std::string file = item.value().is_string() ? item.value().get<std::string>() : "";
    if (file.empty() || fs::path(file).filename() != file)
      map->fail(io::in_quotes(item.key()), "must be the name of a file beside it");
    index.files[item.key()] = file;
  }
  if (index.files.empty()) throw_invalid(index.where + ": weight_map: is empty");
  return index;
}

// The index of a checkpoint, where there is one and it has the file asked for.
std::optional<TensorIndex> find_index(const fs::path& folder, const std::string& asked) {
  const fs::path path = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  TensorIndex index = read_index(path);
  if (!asked.empty() && !index.names_file(asked)) return std::nullopt;
  return index;
}

std::vector<std::string> paths_of(const TensorIndex& index, const fs::path& folder) {
  std::set<std::string> paths;
  for (const auto& [tensor, file] : index.files) paths.insert((folder / file).string());
  return {paths.begin(), paths.end()};
}

// Each tensor but `hidden` must be where the index says.
void check_index(const TensorIndex& index, const HfTensors& tensors, const std::string& hidden) {
  for (const auto& [tensor, file] : index.files) {
    if (tensor == hidden) continue;
    const std::string actual = fs::path(tensors.path_of(tensor)).filename().string();
    if (actual != file)
      throw_invalid(fmt::format(
          "{}: weight_map: {}: is in {}, not in {}", index.where, io::in_quotes(tensor),
          actual.empty() ? "none of the files" : io::in_quotes(actual), io::in_quotes(file)));
  }
}

// The tensors of the checkpoint's files: those of its index, or one.
std::unique_ptr<HfTensors> open_tensors(const fs::path& folder, const std::string& asked,
                                        const std::string& hidden) {
  const std::optional<TensorIndex> index = find_index(folder, asked);
  const std::string single = asked.empty() ? "model.safetensors" : asked;
  const std::vector<std::string> paths =
      index ? paths_of(*index, folder) : std::vector{(folder / single).string()};
  auto tensors = std::make_unique<HfTensors>(paths, hidden);
  if (index) check_index(*index, *tensors, hidden);
  return tensors;
}

}  // namespace

Checkpoint read_hf_checkpoint(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const fs::path folder = is_folder ? fs::path(path) : fs::path(path).parent_path();
  const HfConfig config = read_hf_config((folder / "config.json").string());
  const std::string asked = is_folder ? "" : fs::path(path).filename().string();
  const std::string hidden = config.tied ? hf_names.classifier : "";
  const std::unique_ptr<HfTensors> owned = open_tensors(folder, asked, hidden);
  HfTensors& tensors = *owned;
  if (!config.tied && !tensors.has(hf_names.classifier))
    tensors.fail(hf_names.classifier, "is missing, and tie_word_embeddings is not true");
  Checkpoint checkpoint;
  checkpoint.config = config.config;
  read_named_weights(tensors, hf_names, checkpoint);
  checkpoint.storage = tensors.storage();
  return checkpoint;
}

}  // namespace subquad::llama
