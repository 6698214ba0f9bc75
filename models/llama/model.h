// The forward of a Llama-family model, with the attention of any layer by any spec.
//
// source: Touvron et al. 2023: pre-norm blocks x += attention(norm(x)), x += down(silu(gate n) up
// n)
//   with n = norm(x), rotary embedding, grouped heads.
// use when: measuring what an attention method does to a language model; generating text.
// do not use for: training; batches of several texts.
// cost: per token 2 flops a weight, and the attention; memory of the keys and values.
//
// Results are the same bits for any number of threads. Tokens that are appended one at a time give
// the states of tokens appended together up to the order of sums (some 1e-6 of their size); so do
// chunks, where the attention is exact. A method that approximates sees the rows of a chunk against
// all keys so far: what it chooses and draws depends on how tokens are cut into chunks.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "llama/checkpoint.h"
#include "llama/kv_cache.h"
#include "llama/rotary_table.h"
#include "ops/activations.h"
#include "subquad/problem.h"

namespace subquad::llama {

struct ForwardOptions {
  std::vector<std::string> attention;  // a spec for each layer; empty: exact everywhere
  int threads = 0;
  std::uint64_t seed = 0;
  // Called before the attention of each layer with queries and keys after rotary embedding; may be
  // empty. Its time is not counted.
  std::function<void(std::int64_t layer, const Problem& attention)> observe;
};

// What forwards took and did, summed.
struct ForwardCounts {
  double attention_s = 0;  // in attend(), all layers
  double total_s = 0;      // from token ids to final states
  std::int64_t fallback_rows = 0;
  std::int64_t negative_rows = 0;
  std::int64_t exact_heads = 0;
  std::int64_t scored_entries = 0;
  std::set<std::string> paths;  // of layers with another spec than exact; of all without such
};

class Model {
 public:
  // `checkpoint` must outlive the model. rotary: the checkpoint's own, or what to use instead.
  // context: the most tokens that this model will see; more than the checkpoint was trained on is
  // an Error (invalid_argument) unless the rotary embedding is another one than the checkpoint's.
  Model(const Checkpoint& checkpoint, const RotaryConfig& rotary, std::int64_t context);

  const LlamaConfig& config() const { return checkpoint_.config; }
  std::int64_t context() const { return cache_.capacity(); }
  std::int64_t length() const { return cache_.length(); }  // tokens so far
  void clear() { cache_.truncate(0); }
  // Forgets all tokens but the first `tokens`, at most length(): what is appended next gets the
  // same bits as if the others had never been there.
  void truncate(std::int64_t tokens) { cache_.truncate(tokens); }

  // Appends `tokens` (at least one) and returns their final states after the last norm, (tokens,
  // width). Throws Error (invalid_argument) for a token outside the vocabulary, more tokens than
  // the context has left, and specs that do not work; then nothing is appended.
  ops::Activations append(std::span<const std::int32_t> tokens, const ForwardOptions& options,
                          ForwardCounts& counts);

 private:
  const Checkpoint& checkpoint_;
  RotaryTable rotary_;
  KvCache cache_;
};

}  // namespace subquad::llama
