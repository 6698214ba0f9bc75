// Writes the files that the fuzz targets start from: make_corpus FOLDER fills FOLDER/gguf,
// FOLDER/npy, FOLDER/npz, FOLDER/safetensors and FOLDER/spec.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io_golden.h"
#include "subquad/io.h"
#include "support/tiny_llama.h"

namespace {

namespace fs = std::filesystem;
using subquad::io::ElementType;
using subquad::io::Tensor;

const std::vector<std::uint8_t> some_bytes(64, 3);

constexpr ElementType types[] = {ElementType::boolean, ElementType::i8,  ElementType::u16,
                                 ElementType::i32,     ElementType::u64, ElementType::f16,
                                 ElementType::f32,     ElementType::f64};

void write_bytes(const fs::path& path, std::span<const std::uint8_t> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  subquad::io::write_text(path.string(), text);
}

void write_own_files(const fs::path& folder) {
  std::vector<Tensor> tensors;
  for (const ElementType type : types) {
    const std::string name = subquad::io::name_of(type);
    tensors.push_back({name, type, {2, 3}, some_bytes.data()});
    subquad::io::write_file((folder / "npy" / (name + ".npy")).string(), {&tensors.back(), 1});
  }
  tensors.push_back({"scalar", ElementType::f32, {}, some_bytes.data()});
  tensors.push_back({"empty", ElementType::f32, {0, 3}, nullptr});
  subquad::io::write_file((folder / "npz/own.npz").string(), tensors);
  tensors.push_back({"bf16", ElementType::bf16, {4}, some_bytes.data()});
  subquad::io::write_file((folder / "safetensors/own.safetensors").string(), tensors,
                          {{"scale", "0.125"}, {"causal", "none"}});
}

void write_golden_files(const fs::path& folder) {
  namespace golden = subquad::io::golden;
  write_bytes(folder / "npy/v1", golden::npy_f32_v1);
  write_bytes(folder / "npy/v2", golden::npy_bool_v2);
  write_bytes(folder / "npy/v3", golden::npy_f64_scalar_v3);
  write_bytes(folder / "npz/stored", golden::npz_stored);
  write_bytes(folder / "npz/deflated", golden::npz_deflated);
  write_bytes(folder / "npz/streamed", golden::npz_streamed);
  write_bytes(folder / "safetensors/reference", golden::safetensors);
}

void write_specs(const fs::path& folder) {
  const std::string_view specs[] = {
      "exact", "sink(4)+window(512)+sortlsh(block=256)+uniform(m=256)", "kmv(eps=1e-3)",
      " a ( 1 , eps = 0.5, flag=yes, mode = b, k=-3 ) ", "x(1e+3,true,b)+y()"};
  int index = 0;
  for (const std::string_view spec : specs) {
    const fs::path path = folder / "spec" / std::to_string(index++);
    subquad::io::write_text(path.string(), std::string(spec));
  }
}

// Models and tokenizers as small as they can be.
void write_gguf_files(const fs::path& folder) {
  namespace testing = subquad::testing;
  const testing::TinyLlama least{"llama", 1, 2, 2, 1, 1, 3};
  write_bytes(folder / "gguf/llama", testing::tiny_llama(least));
  testing::TinyLlama biased = least;
  biased.architecture = "qwen2";
  biased.biases = true;
  write_bytes(folder / "gguf/qwen2", testing::tiny_llama(biased));
  testing::GgufBuilder file;
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "llama-bpe");
  file.texts("tokenizer.ggml.tokens", {"a", "b", "ab", "Ġ", "<|end|>"});
  file.numbers<std::int32_t>("tokenizer.ggml.token_type", {1, 1, 1, 1, 3});
  file.texts("tokenizer.ggml.merges", {"a b"}).number("tokenizer.ggml.bos_token_id", 4u);
  write_bytes(folder / "gguf/gpt2", file.build());
  testing::GgufBuilder scored;
  scored.text("tokenizer.ggml.model", "llama");
  scored.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "<0x41>", "a", "b", "ab", "\u2581"});
  scored.numbers<std::int32_t>("tokenizer.ggml.token_type", {2, 3, 6, 1, 1, 1, 1});
  scored.numbers<float>("tokenizer.ggml.scores", {0, 0, 0, -1, -2, -1, -3});
  scored.number("tokenizer.ggml.unknown_token_id", 0u);
  write_bytes(folder / "gguf/sentencepiece", scored.build());
  testing::GgufBuilder types;
  types.number("u8", std::uint8_t{1}).number("i64", std::int64_t{-1}).number("f64", 0.5);
  types.number("yes", true).texts("texts", {"a", ""}).numbers<float>("floats", {1, 2});
  types.number("general.alignment", std::uint32_t{32});
  types.tensor("q4_1", {2, 32}, 3, testing::ByteList(40, 1));
  write_bytes(folder / "gguf/types", types.build());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_corpus FOLDER\n", stderr);
    return 2;
  }
  try {
    const fs::path folder = argv[1];
    for (const char* name : {"gguf", "npy", "npz", "safetensors", "spec"}) {
      fs::create_directories(folder / name);
    }
    write_gguf_files(folder);
    write_own_files(folder);
    write_golden_files(folder);
    write_specs(folder);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_corpus: %s\n", error.what());
    return 1;
  }
  return 0;
}
