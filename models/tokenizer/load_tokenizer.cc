#include <algorithm>
#include <filesystem>

#include "gguf/file.h"
#include "io/cursor.h"
#include "io/input.h"
#include "io/text.h"
#include "tokenizer/formats.h"
#include "tokenizer/tokenizer.h"

namespace subquad::tokenizer {
namespace {

namespace fs = std::filesystem;

Vocabulary read_llama2c_vocabulary(const fs::path& checkpoint) {
  const std::string path = (checkpoint.parent_path() / "tokenizer.bin").string();
  const io::FileInput input(path, io::Source(io::printable(path)));
  io::Storage storage;
  return parse_llama2c_vocabulary(input.bytes(0, input.size(), storage), path);
}

Vocabulary read_vocabulary(const std::string& path) {
  const fs::path place(path);
  std::error_code ignored;
  if (fs::is_directory(place, ignored)) return read_hf_vocabulary(path);
  if (place.extension() == ".safetensors") return read_hf_vocabulary(place.parent_path().string());
  if (place.extension() == ".bin") return read_llama2c_vocabulary(place);
  return read_gguf_vocabulary(gguf::File::open(path).metadata());
}

}  // namespace

Tokenizer load_tokenizer(const std::string& checkpoint_path) {
  return Tokenizer(read_vocabulary(checkpoint_path));
}

}  // namespace subquad::tokenizer
