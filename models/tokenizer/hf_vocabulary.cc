#include "subquad/error.h"
#include "tokenizer/formats.h"

namespace subquad::tokenizer {

Vocabulary read_hf_vocabulary(const std::string& folder) {
  throw_invalid(folder + ": tokenizer.json is not read yet");
}

}  // namespace subquad::tokenizer
