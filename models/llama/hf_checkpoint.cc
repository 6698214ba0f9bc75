#include "llama/formats.h"
#include "subquad/error.h"

namespace subquad::llama {

Checkpoint read_hf_checkpoint(const std::string& path) {
  throw_invalid(path + ": Hugging Face checkpoints are not read yet");
}

}  // namespace subquad::llama
