#include "layer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "names.h"
#include "subquad/error.h"
#include "subquad/io.h"

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

std::shared_ptr<const void> f32_from_f64(const io::Tensor& tensor) {
  const auto* first = static_cast<const double*>(tensor.data);
  auto values = std::make_shared<std::vector<float>>(static_cast<std::size_t>(tensor.count()));
  std::transform(first, first + tensor.count(), values->begin(),
                 [](double x) { return static_cast<float>(x); });
  return {values, values->data()};
}

TensorView view_of(const io::TensorFile& file, const std::string& path, const std::string& name,
                   Layer& layer) {
  const io::Tensor& tensor = file.at(name);
  const Shape4 shape = shape_of(tensor, path);
  switch (tensor.type) {
    case io::ElementType::f32:
      return dense_view(tensor.data, DType::f32, shape);
    case io::ElementType::bf16:
      return dense_view(tensor.data, DType::bf16, shape);
    case io::ElementType::f16:
      return dense_view(tensor.data, DType::f16, shape);
    case io::ElementType::f64:
      layer.storage.push_back(f32_from_f64(tensor));
      return dense_view(layer.storage.back().get(), DType::f32, shape);
    default:
      throw_invalid(fmt::format("{}: tensor '{}' holds {}; f32, bf16, f16 or f64 is needed", path,
                                name, io::name_of(tensor.type)));
  }
}

std::string lookup(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
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
  const std::string word = lookup(metadata, "causal");
  const std::string text = lookup(metadata, "softmax");
  if (!options.causal.empty()) {
    layer.problem.causal = parse_causal(options.causal, "--causal");
    layer.causal_from = "command line";
  } else if (!word.empty()) {
    layer.problem.causal = parse_causal(word, layer.input + ": metadata 'causal'");
    layer.causal_from = "file";
  } else {
    layer.problem.causal = causal_from_text(text, layer.input);
    layer.causal_from = text.empty() ? "default" : "file";
  }
}

void set_scale(const Metadata& metadata, const LayerOptions& options, Layer& layer) {
  const std::string word = lookup(metadata, "scale");
  if (!options.scale.empty()) {
    layer.problem.scale = parse_finite(options.scale, "--scale");
  } else if (!word.empty()) {
    layer.problem.scale = parse_finite(word, layer.input + ": metadata 'scale'");
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
  return fmt::format("{}", fmt::join(words, ", "));
}

// The library checks shapes without knowing the file; put the file's name in front.
void check(const Layer& layer) {
  try {
    validate(layer.problem);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", layer.input, error.what()));
  }
}

}  // namespace

Layer load_layer(const std::string& path, const LayerOptions& options) {
  const auto file = std::make_shared<io::TensorFile>(io::TensorFile::open(path));
  Layer layer;
  layer.input = path;
  layer.storage.push_back(file);
  layer.problem.query = view_of(*file, path, "q", layer);
  layer.problem.key = view_of(*file, path, "k", layer);
  layer.problem.value = view_of(*file, path, "v", layer);
  layer.batched = file->at("q").shape.size() == 4;
  layer.description = describe(file->metadata());
  layer.synthetic = lookup(file->metadata(), "source") == "subquad synth";
  set_causal(file->metadata(), options, layer);
  set_scale(file->metadata(), options, layer);
  check(layer);
  return layer;
}

}  // namespace subquad::cli
