#include "llama/named_weights.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace subquad::llama {
namespace {

using Shape = std::vector<std::int64_t>;

std::string in_layer(const char* name, std::int64_t layer) {
  return fmt::format(fmt::runtime(name), layer);
}

// Hands out the tensors of a file, checked, and remembers which it did.
class Reader {
 public:
  explicit Reader(TensorSource& source) : source_(source) {
    for (const std::string& name : source.names()) left_.insert(name);
  }

  bool has(const std::string& name) const { return left_.contains(name); }

  WeightMatrix matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
    return checked(name, {rows, cols});
  }
  // As many rows as the file has.
  WeightMatrix embedding(const std::string& name, std::int64_t cols) {
    if (!has(name)) source_.fail(name, "is missing");
    const StoredTensor tensor = source_.read(name);
    const std::int64_t rows = tensor.shape.empty() ? 0 : tensor.shape[0];
    return checked(name, {rows, cols});
  }
  std::vector<float> vector(const std::string& name, std::int64_t size) {
    const WeightMatrix row = checked(name, {size});
    std::vector<float> values(static_cast<std::size_t>(size));
    widen_row(row, 0, values.data());
    return values;
  }
  // Empty where the file has none.
  std::vector<float> optional_vector(const std::string& name, std::int64_t size) {
    return has(name) ? vector(name, size) : std::vector<float>();
  }
  void require_none_left(const std::string& ignored) const {
    for (const std::string& name : left_)
      if (ignored.empty() || !name.ends_with(ignored))
        source_.fail(name, "is no part of a Llama model that we can run");
  }

 private:
  WeightMatrix checked(const std::string& name, const Shape& shape) {
    if (!has(name)) source_.fail(name, "is missing");
    const StoredTensor tensor = source_.read(name);
    if (tensor.shape != shape)
      source_.fail(name, fmt::format("has shape ({}), must be ({})", fmt::join(tensor.shape, ", "),
                                     fmt::join(shape, ", ")));
    const std::int64_t rows = shape.size() == 1 ? 1 : shape[0];
    const WeightMatrix matrix{tensor.type, tensor.data, rows, shape.back()};
    if (!all_finite(matrix)) source_.fail(name, "has a value that is not finite");
    left_.erase(name);
    return matrix;
  }

  TensorSource& source_;
  std::set<std::string> left_;  // not handed out so far
};

LlamaLayer read_layer(Reader& reader, const TensorNames& names, const LlamaConfig& config,
                      std::int64_t index) {
  const auto matrix = [&](const char* name, std::int64_t rows, std::int64_t cols) {
    return reader.matrix(in_layer(name, index), rows, cols);
  };
  const auto bias = [&](const char* name, std::int64_t size) {
    return reader.optional_vector(in_layer(name, index), size);
  };
  const std::int64_t query = config.heads * config.head_dim;
  const std::int64_t key = config.kv_heads * config.head_dim;
  LlamaLayer layer;
  layer.attention_norm = reader.vector(in_layer(names.attention_norm, index), config.width);
  layer.query = matrix(names.query, query, config.width);
  layer.key = matrix(names.key, key, config.width);
  layer.value = matrix(names.value, key, config.width);
  layer.output = matrix(names.output, config.width, query);
  layer.query_bias = bias(names.query_bias, query);
  layer.key_bias = bias(names.key_bias, key);
  layer.value_bias = bias(names.value_bias, key);
  layer.feed_forward_norm = reader.vector(in_layer(names.feed_forward_norm, index), config.width);
  layer.gate = matrix(names.gate, config.hidden, config.width);
  layer.up = matrix(names.up, config.hidden, config.width);
  layer.down = matrix(names.down, config.width, config.hidden);
  return layer;
}

void read_divisors(const TensorSource& source, Reader& reader, const std::string& name,
                   RotaryConfig& rotary) {
  rotary.divisors = reader.optional_vector(name, rotary.dimensions / 2);
  for (const float divisor : rotary.divisors)
    if (!(divisor >= 1e-6F && divisor <= 1e6F))
      source.fail(name, fmt::format("{} divides no angle: it is outside 1e-06 to 1e+06", divisor));
}

}  // namespace

void read_named_weights(TensorSource& source, const TensorNames& names, Checkpoint& checkpoint) {
  Reader reader(source);
  LlamaConfig& config = checkpoint.config;
  checkpoint.embedding = reader.embedding(names.embedding, config.width);
  if (config.vocabulary == 0) config.vocabulary = checkpoint.embedding.rows;
  if (config.vocabulary != checkpoint.embedding.rows)
    source.fail(names.embedding, fmt::format("has {} rows, the vocabulary {} tokens",
                                             checkpoint.embedding.rows, config.vocabulary));
  for (std::int64_t index = 0; index < config.layers; ++index)
    checkpoint.layers.push_back(read_layer(reader, names, config, index));
  checkpoint.final_norm = reader.vector(names.final_norm, config.width);
  checkpoint.classifier = reader.has(names.classifier)
                              ? reader.matrix(names.classifier, config.vocabulary, config.width)
                              : checkpoint.embedding;
  read_divisors(source, reader, names.rotary_divisors, config.rotary);
  reader.require_none_left(names.ignored);
}

}  // namespace subquad::llama
