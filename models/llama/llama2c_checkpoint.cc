#include <array>
#include <cstring>

#include <fmt/format.h>

#include "io/cursor.h"
#include "io/input.h"
#include "io/text.h"
#include "llama/config_check.h"
#include "llama/formats.h"

namespace subquad::llama {
namespace {

// Hands out the file's f32 matrices one after another.
class Floats {
 public:
  Floats(std::span<const std::byte> bytes, const io::Source& source)
      : rest_(bytes), source_(source) {}

  WeightMatrix matrix(std::int64_t rows, std::int64_t cols, const char* name) {
    const WeightMatrix matrix{WeightType::f32, rest_.data(), rows, cols};
    rest_ = rest_.subspan(static_cast<std::size_t>(rows * row_bytes(matrix)));
    if (!all_finite(matrix)) source_.fail(name, "has a value that is not finite");
    return matrix;
  }
  std::vector<float> vector(std::int64_t size, const char* name) {
    std::vector<float> values(static_cast<std::size_t>(size));
    widen_row(matrix(1, size, name), 0, values.data());
    return values;
  }
  void skip(std::int64_t count) { rest_ = rest_.subspan(static_cast<std::size_t>(count) * 4); }

 private:
  std::span<const std::byte> rest_;
  const io::Source& source_;
};

struct Head {
  LlamaConfig config;
  bool tied = true;
};

constexpr std::size_t head_fields = 7;

Head read_head(std::span<const std::byte> bytes, const io::Source& source) {
  io::Cursor cursor(bytes, source);
  std::array<std::int32_t, head_fields> fields{};
  for (std::int32_t& field : fields)
    field = static_cast<std::int32_t>(cursor.read<std::uint32_t>("header"));
  constexpr std::int32_t newer = 0x616b3432;
  if (fields[0] == newer)
    source.fail("header", fmt::format("version {} of llama2.c is not supported, export version 0",
                                      fields[1]));
  Head head;
  LlamaConfig& config = head.config;
  config.width = fields[0];
  config.hidden = fields[1];
  config.layers = fields[2];
  config.heads = fields[3];
  config.kv_heads = fields[4];
  config.vocabulary = std::abs(std::int64_t{fields[5]});
  config.context = fields[6];
  head.tied = fields[5] > 0;
  if (config.heads < 1 || config.width % config.heads != 0)
    source.fail("header",
                fmt::format("{} heads do not divide the width {}", config.heads, config.width));
  config.head_dim = config.width / config.heads;
  config.rotary.dimensions = config.head_dim;
  config.rotary.original_context = config.context;
  if (config.vocabulary == 0) source.fail("header", "the vocabulary is empty");
  check_config(config, source.label());
  return head;
}

// Floats of the file; check_config keeps the sums from overflowing.
std::int64_t float_count(const Head& head) {
  const LlamaConfig& c = head.config;
  const std::int64_t kv_width = c.kv_heads * c.head_dim;
  const std::int64_t layer =
      2 * c.width + 2 * c.width * c.width + 2 * kv_width * c.width + 3 * c.hidden * c.width;
  const std::int64_t angles = c.context * c.head_dim;
  return (head.tied ? 1 : 2) * c.vocabulary * c.width + c.layers * layer + c.width + angles;
}

void read_layers(Floats& floats, Checkpoint& checkpoint) {
  const LlamaConfig& c = checkpoint.config;
  std::vector<LlamaLayer>& layers = checkpoint.layers;
  const std::int64_t kv_width = c.kv_heads * c.head_dim;
  layers.resize(static_cast<std::size_t>(c.layers));
  for (auto& layer : layers) layer.attention_norm = floats.vector(c.width, "rms_att_weight");
  for (auto& layer : layers) layer.query = floats.matrix(c.width, c.width, "wq");
  for (auto& layer : layers) layer.key = floats.matrix(kv_width, c.width, "wk");
  for (auto& layer : layers) layer.value = floats.matrix(kv_width, c.width, "wv");
  for (auto& layer : layers) layer.output = floats.matrix(c.width, c.width, "wo");
  for (auto& layer : layers) layer.feed_forward_norm = floats.vector(c.width, "rms_ffn_weight");
  for (auto& layer : layers) layer.gate = floats.matrix(c.hidden, c.width, "w1");
  for (auto& layer : layers) layer.down = floats.matrix(c.width, c.hidden, "w2");
  for (auto& layer : layers) layer.up = floats.matrix(c.hidden, c.width, "w3");
}

Checkpoint parse(std::span<const std::byte> bytes, const io::Source& source) {
  const Head head = read_head(bytes, source);
  const std::int64_t expected = 4 * (float_count(head) + std::int64_t{head_fields});
  if (static_cast<std::int64_t>(bytes.size()) != expected)
    source.fail("file", fmt::format("has {} bytes, its header needs {}", bytes.size(), expected));
  Checkpoint checkpoint;
  checkpoint.config = head.config;
  const LlamaConfig& c = checkpoint.config;
  Floats floats(bytes.subspan(4 * head_fields), source);
  checkpoint.embedding = floats.matrix(c.vocabulary, c.width, "token_embedding_table");
  read_layers(floats, checkpoint);
  checkpoint.final_norm = floats.vector(c.width, "rms_final_weight");
  floats.skip(c.context * c.head_dim);  // the angles' cosines and sines: we compute them
  checkpoint.classifier =
      head.tied ? checkpoint.embedding : floats.matrix(c.vocabulary, c.width, "wcls");
  return checkpoint;
}

}  // namespace

Checkpoint parse_llama2c_checkpoint(std::span<const std::byte> bytes, const std::string& label) {
  return parse(bytes, io::Source(io::printable(label)));
}

Checkpoint read_llama2c_checkpoint(const std::string& path) {
  const io::Source source(io::printable(path));
  const io::FileInput input(path, source);
  const auto storage = std::make_shared<io::Storage>();
  Checkpoint checkpoint = parse(input.bytes(0, input.size(), *storage), source);
  checkpoint.storage = storage;
  return checkpoint;
}

}  // namespace subquad::llama
