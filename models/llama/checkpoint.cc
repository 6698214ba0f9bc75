#include "llama/checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "core/isa.h"
#include "io/cursor.h"
#include "io/input.h"
#include "io/text.h"
#include "llama/formats.h"

namespace subquad::llama {
namespace {

std::string first_bytes(const std::string& path, std::uint64_t count) {
  const io::FileInput input(path, io::Source(io::printable(path)));
  io::Storage storage;
  return std::string(io::as_text(input.bytes(0, std::min(count, input.size()), storage)));
}

}  // namespace

// A file's content says which format it is where it can; else its extension does.
Checkpoint load_checkpoint(const std::string& path) {
  ensure_isa();
  const std::filesystem::path place(path);
  std::error_code ignored;
  if (std::filesystem::is_directory(place, ignored)) return read_hf_checkpoint(path);
  const std::string start = first_bytes(path, 9);
  if (start.starts_with("GGUF")) return read_gguf_checkpoint(gguf::File::open(path));
  if (place.extension() == ".bin") return read_llama2c_checkpoint(path);
  if (place.extension() == ".safetensors") return read_hf_checkpoint(path);
  const io::Source source(io::printable(path));
  if (place.extension() == ".gguf") source.fail("magic bytes", "not a GGUF file");
  source.fail("file",
              "is no checkpoint: must be GGUF, a folder or file of safetensors with "
              "config.json, or llama2.c's *.bin");
}

}  // namespace subquad::llama
