// The readers of tokenizers, a format each; what they throw is load_tokenizer's.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "gguf/metadata.h"
#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

Vocabulary read_gguf_vocabulary(const gguf::Metadata& metadata);

// tokenizer.json in `folder`, with tokenizer_config.json where it is there.
Vocabulary read_hf_vocabulary(const std::string& folder);

// llama2.c's tokenizer.bin; `label` stands for its path.
Vocabulary parse_llama2c_vocabulary(std::span<const std::byte> bytes, const std::string& label);

}  // namespace subquad::tokenizer
