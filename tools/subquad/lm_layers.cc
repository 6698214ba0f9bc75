#include "lm_layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/pack.h"
#include "llama/model.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

// The view (1, heads, rows, channels), dense, as `type`.
std::vector<std::byte> dense_copy(const TensorView& view, DType type) {
  const std::int64_t row_bytes = view.channels() * size_of(type);
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.heads() * view.length() * row_bytes));
  std::byte* out = bytes.data();
  for (std::int64_t h = 0; h < view.heads(); ++h)
    for (std::int64_t i = 0; i < view.length(); ++i, out += row_bytes)
      kernels::store_row(static_cast<const float*>(view.data) + view.offset(0, h, i),
                         view.channels(), 1, type, out);
  return bytes;
}

// What is written must be what the model has.
void check_finite(const std::vector<std::byte>& rows, const TensorView& view, DType type,
                  const std::string& what) {
  const std::int64_t count = view.heads() * view.length();
  if (kernels::all_finite({rows.data(), type, view.channels(), view.channels(), nullptr, 0, count}))
    return;
  throw Error(ErrorKind::failed,
              what + (type == DType::f16 ? " are not finite in f16; --dtype f32 may hold them"
                                         : " are not finite"));
}

LayerTensors copy_layer(std::int64_t layer, const Problem& problem, DType type) {
  LayerTensors copy{layer, {}, {}};
  const auto add = [&](const char* name, const TensorView& view) {
    copy.storage.push_back(dense_copy(view, type));
    check_finite(copy.storage.back(), view, type,
                 fmt::format("layer {}: values of {}", layer, name));
    copy.tensors.push_back({name,
                            type == DType::f16 ? io::ElementType::f16 : io::ElementType::f32,
                            {view.heads(), view.length(), view.channels()},
                            copy.storage.back().data()});
  };
  add("q", problem.query);
  add("k", problem.key);
  add("v", problem.value);
  return copy;
}

}  // namespace

std::vector<LayerTensors> capture_layers(LmSource& source, std::span<const int> tokens,
                                         std::span<const std::int64_t> layers, DType type,
                                         int threads, Progress& progress) {
  llama::LlamaConfig& config = source.checkpoint.config;
  config.layers = layers.back() + 1;  // What comes after has no influence.
  source.checkpoint.layers.resize(static_cast<std::size_t>(config.layers));
  progress.expect(static_cast<int>(config.layers));
  std::vector<LayerTensors> captured;
  llama::ForwardOptions options;
  options.threads = threads;
  options.observe = [&](std::int64_t layer, const Problem& problem) {
    progress.step(fmt::format("layer {}", layer));
    if (std::binary_search(layers.begin(), layers.end(), layer))
      captured.push_back(copy_layer(layer, problem, type));
  };
  llama::ForwardCounts counts;
  llama::Model(source.checkpoint, source.rotary, std::ssize(tokens))
      .append(tokens, options, counts);
  return captured;
}

}  // namespace subquad::cli
