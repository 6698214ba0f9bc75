// Predefined masks from files, for the spec parts given(0), given(1), ..
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "subquad/given.h"
#include "user_words.h"

namespace subquad::cli {

// The masks of --given, in order, and their memory.
struct GivenFiles {
  std::vector<GivenMask> masks;
  std::vector<std::shared_ptr<const void>> storage;
  UserWords words;  // for errors of the library
};

// Opens safetensors or npz files. Per-row lists: tensors `row_offsets` and `row_keys`. Blocks:
// `blocks` (count x 2: query block, key block), `query_block_size` and `key_block_size` (tensors of
// one element, or metadata), and `block_offsets` where each query head has its own. All int32 or
// int64. The fields mean what they mean in subquad/given.h. Throws Error, one line, naming file and
// tensor, also when no method in `specs` has a given part.
GivenFiles load_given(const std::vector<std::string>& paths, std::span<const std::string> specs);

// An error of the library in the words of --given.
std::string in_given_words(const std::string& message, const GivenFiles& given);

template <typename Call>
auto with_given_words(const GivenFiles& given, const Call& call) {
  return reworded([&](const std::string& said) { return in_given_words(said, given); }, call);
}

}  // namespace subquad::cli
