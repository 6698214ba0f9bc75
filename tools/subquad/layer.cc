#include "layer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <set>

#include "float_tensor.h"
#include "messages.h"
#include "names.h"
#include "numbers.h"
#include "plain_text.h"
#include "subquad/error.h"
#include "subquad/io.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

using Metadata = std::map<std::string, std::string>;

// (heads, n, d) gets a batch of one.
Shape4 shape_of(const io::Tensor& tensor, const std::string& path) {
  const auto& s = tensor.shape;
  if (s.size() == 3) return {1, s[0], s[1], s[2]};
  if (s.size() == 4) return {s[0], s[1], s[2], s[3]};
  throw_invalid(
      fmt::format("{}: tensor '{}' has shape ({}); (heads, n, d) or (batch, heads, n, d) is needed",
                  path, tensor.name, fmt::join(s, ", ")));
}

// A tensor of the file, its name in the messages, and how the library sees it.
struct Input {
  std::string label;
  TensorView view;
};

Input load_input(const io::TensorFile& file, const std::string& path, const std::string& name,
                 const char* role, Layer& layer) {
  const io::Tensor& tensor = file.at(name);
  const Shape4 shape = shape_of(tensor, path);
  const FloatTensor floats = as_floats(tensor, fmt::format("{}: tensor '{}'", path, name));
  if (floats.converted()) {
    layer.storage.push_back(floats.storage);
    layer.converted.push_back(name);
  }
  return {fmt::format("{} '{}' {}", role, name, shape_text(tensor.shape)),
          dense_view(floats.data, floats.dtype, shape)};
}

// Nothing where the key is absent; an empty word is there.
std::optional<std::string> find(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::optional<std::string>() : found->second;
}

std::string lookup(const Metadata& metadata, const std::string& key) {
  return find(metadata, key).value_or("");
}

// The free text of `softmax`: "over keys, non-causal" or "over keys, causal (query i sees keys
// 0..i)".
Causal causal_from_text(const std::string& text, const std::string& path) {
  if (text.find("causal") == std::string::npos) return Causal::none;
  if (text.find("non-causal") != std::string::npos) return Causal::none;
  if (text.find("query i sees keys 0..i") != std::string::npos) return Causal::top_left;
  throw_invalid(
      fmt::format("{}: metadata 'softmax' says causal but not which way; give --causal top_left or "
                  "bottom_right",
                  path));
}

void set_causal(const Metadata& metadata, const LayerOptions& options, Layer& layer) {
  const std::optional<std::string> word = find(metadata, "causal");
  const std::string text = lookup(metadata, "softmax");
  if (!options.causal.empty()) {
    layer.problem.causal = parse_causal(options.causal, "--causal");
    layer.causal_from = "command line";
  } else if (word) {
    layer.problem.causal = parse_causal(*word, layer.input + ": metadata 'causal'");
    layer.causal_from = "file";
  } else {
    layer.problem.causal = causal_from_text(text, layer.input);
    layer.causal_from = text.empty() ? "default" : "file";
  }
}

void set_scale(const Metadata& metadata, const LayerOptions& options, Layer& layer) {
  const std::optional<std::string> word = find(metadata, "scale");
  if (!options.scale.empty()) {
    layer.problem.scale = finite_number(options.scale, "--scale");
  } else if (word) {
    layer.problem.scale = finite_number(*word, layer.input + ": metadata 'scale'");
  }
}

std::string describe(const Metadata& metadata) {
  std::vector<std::string> words;
  for (const char* key : {"model", "block", "layer", "image", "resolution", "text"}) {
    const std::string value = lookup(metadata, key);
    if (!value.empty()) words.push_back(fmt::format("{} {}", key, value));
  }
  const std::string note = lookup(metadata, "note");
  if (!note.empty()) words.push_back(note);
  return plain_text(fmt::format("{}", fmt::join(words, ", ")));
}

// The library checks shapes without knowing the file and its tensors' names.
class ShapeCheck {
 public:
  ShapeCheck(const std::string& path, const Input& query, const Input& key, const Input& value)
      : path_(path), query_(query), key_(key), value_(value) {}

  void check(const Problem& problem) const {
    require_equal(key_, query_, "batch", 0);
    require_equal(value_, query_, "batch", 0);
    require_equal(key_, query_, "head_dim", 3);
    require_equal(value_, key_, "heads", 1);
    require_equal(value_, key_, "length", 2);
    require_groups();
    with_user_words({{"query", path_ + ": " + query_.label},
                     {"key", path_ + ": " + key_.label},
                     {"value", path_ + ": " + value_.label}},
                    [&] { validate(problem); });
  }

 private:
  void require_equal(const Input& one, const Input& other, const char* what,
                     std::size_t axis) const {
    if (one.view.shape[axis] == other.view.shape[axis]) return;
    throw_invalid(fmt::format("{}: {} and {} differ in {}: {} and {}", path_, one.label,
                              other.label, what, one.view.shape[axis], other.view.shape[axis]));
  }

  void require_groups() const {
    const std::int64_t queries = query_.view.heads(), keys = key_.view.heads();
    if (keys < 1 || queries % keys == 0) return;
    throw_invalid(fmt::format("{}: {} has {} heads, no multiple of the {} heads of {}", path_,
                              query_.label, queries, keys, key_.label));
  }

  const std::string& path_;
  const Input &query_, &key_, &value_;
};

}  // namespace

Layer load_layer(const std::string& path, const LayerOptions& options) {
  const auto file = std::make_shared<io::TensorFile>(io::TensorFile::open(path));
  Layer layer;
  layer.input = path;
  layer.storage.push_back(file);
  const Input query = load_input(*file, path, options.query_name, "query", layer);
  const Input key = load_input(*file, path, options.key_name, "key", layer);
  const Input value = load_input(*file, path, options.value_name, "value", layer);
  layer.problem.query = query.view;
  layer.problem.key = key.view;
  layer.problem.value = value.view;
  layer.batched = file->at(options.query_name).shape.size() == 4;
  layer.description = describe(file->metadata());
  layer.synthetic = lookup(file->metadata(), "source") == "subquad synth";
  set_causal(file->metadata(), options, layer);
  set_scale(file->metadata(), options, layer);
  ShapeCheck(path, query, key, value).check(layer.problem);
  return layer;
}

void note_conversions(std::span<const Layer> layers) {
  std::set<std::string> noted;
  for (const Layer& layer : layers) {
    if (layer.converted.empty() || !noted.insert(layer.input).second) continue;
    print_note(
        fmt::format("{}: f64 is used as f32 ({})", layer.input, fmt::join(layer.converted, ", ")));
  }
}

}  // namespace subquad::cli
