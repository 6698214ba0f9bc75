// The readers of the three checkpoint formats; what they throw is load_checkpoint's.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "gguf/file.h"
#include "llama/checkpoint.h"

namespace subquad::llama {

// A file that was parsed from memory must outlive the checkpoint.
Checkpoint read_gguf_checkpoint(const gguf::File& file);

// `path`: a folder, or a safetensors file with config.json beside it.
Checkpoint read_hf_checkpoint(const std::string& path);

// A llama2.c file with the header of version 0: seven numbers.
Checkpoint read_llama2c_checkpoint(const std::string& path);
// The same from memory that outlives the checkpoint; `label` stands for the path.
Checkpoint parse_llama2c_checkpoint(std::span<const std::byte> bytes, const std::string& label);

}  // namespace subquad::llama
