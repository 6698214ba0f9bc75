// Fuzzes the GGUF reader, and the checkpoint and the tokenizer that are made of what it read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gguf/file.h"
#include "llama/formats.h"
#include "subquad/error.h"
#include "tokenizer/formats.h"
#include "tokenizer/tokenizer.h"

namespace subquad {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

// Runs `use`; an Error must be one line that names the input.
bool succeeds(const std::function<void()>& use) {
  try {
    use();
    return true;
  } catch (const Error& error) {
    const std::string line = error.what();
    require(line.starts_with("input: ") && line.find('\n') == std::string::npos);
    return false;
  }
}

// Every byte of every tensor can be read.
void read_tensors(const gguf::File& file) {
  std::uint8_t sum = 0;
  for (const gguf::TensorInfo& tensor : file.tensors()) {
    io::Storage storage;
    for (const std::byte value : file.read(tensor, storage))
      sum ^= static_cast<std::uint8_t>(value);
  }
  volatile std::uint8_t keep = sum;
  (void)keep;
}

void widen(const llama::WeightMatrix& matrix) {
  std::vector<float> row(static_cast<std::size_t>(matrix.cols));
  for (std::int64_t r = 0; r < matrix.rows; ++r) llama::widen_row(matrix, r, row.data());
}

void read_checkpoint(const gguf::File& file) {
  llama::Checkpoint checkpoint;
  if (!succeeds([&] { checkpoint = llama::read_gguf_checkpoint(file); })) return;
  require(checkpoint.embedding.rows == checkpoint.config.vocabulary);
  widen(checkpoint.embedding);
  for (const llama::LlamaLayer& layer : checkpoint.layers) widen(layer.down);
}

// What was encoded are tokens.
void read_tokenizer(const gguf::File& file, const std::string& text) {
  succeeds([&] {
    const tokenizer::Tokenizer tokenizer(tokenizer::read_gguf_vocabulary(file.metadata()));
    for (const bool special : {false, true})
      (void)tokenizer.decode(tokenizer.encode(text, {.special = special}));
  });
}

void fuzz_gguf(std::span<const std::uint8_t> data) {
  // Aligned, as a file's bytes are.
  const std::vector<std::uint8_t> bytes(data.begin(), data.end());
  succeeds([&] {
    const auto file = gguf::File::parse(std::as_bytes(std::span(bytes)), "input");
    read_tensors(file);
    read_checkpoint(file);
    const std::size_t tail = bytes.size() - std::min<std::size_t>(bytes.size(), 200);
    read_tokenizer(file,
                   std::string(bytes.begin() + static_cast<std::ptrdiff_t>(tail), bytes.end()));
  });
}

}  // namespace
}  // namespace subquad

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  subquad::fuzz_gguf({data, size});
  return 0;
}
