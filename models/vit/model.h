// A vision transformer forward, with the attention of any block by any spec.
//
// source: DeiT (Touvron et al. 2021) as timm builds it: patch embedding, class token, learned
//   positions, pre-norm blocks x += attention(norm1(x)), x += mlp(norm2(x)), head(norm(x)[0]).
// use when: measuring what an attention method does to a whole network.
// do not use for: training; distilled models (two heads).
// cost: per token and block 24 dim^2 flops (MLP ratio 4) and the attention.
//
// Results are the same bits for any number of threads and any division into batches.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "subquad/problem.h"
#include "vit/weights.h"

namespace subquad::vit {

// How one block computes its attention.
struct AttentionChoice {
  std::string spec = "exact";
  float temperature = 1;  // softmax(scores / temperature)
};

// A batch of pictures: (images, 3, size, size), normalised (preprocess.h). Picture i has the
// number first + i, which its random draws depend on.
struct Batch {
  std::span<const float> pixels;
  std::int64_t size = 0;
  std::int64_t first = 0;

  std::int64_t images() const;
};

// A branch f of a block, about to be added: x += f(x). Both (1, 1, tokens, dim), of one picture.
enum class Branch : std::uint8_t { attention, mlp };
struct BranchView {
  std::int64_t block = 0;
  std::int64_t image = 0;  // first + i
  Branch branch = Branch::attention;
  TensorView main;    // x
  TensorView added;   // f(x)
  Problem attention;  // q, k, v and the scale in force; of the attention branch only
};
using Observer = std::function<void(const BranchView&)>;

struct ForwardOptions {
  std::vector<AttentionChoice> attention;  // one for each block; empty: exact everywhere
  int threads = 0;
  std::uint64_t seed = 0;
  Observer observe;  // may be empty; called from one thread, its time is not counted
};

struct ForwardResult {
  std::vector<float> logits;  // (images, classes)
  double attention_s = 0;     // in attend(): scores, softmax, values
  double total_s = 0;         // all of the forward, from pixels to logits
  std::int64_t fallback_rows = 0;
  std::int64_t negative_rows = 0;
  std::int64_t exact_heads = 0;
  std::int64_t scored_entries = 0;
  std::set<std::string> paths;  // of blocks with another spec than exact; of all without such
};

// Tokens of a picture of size x size. Throws Error (invalid_argument) when size is not a multiple
// of the patch size from 1 to 8192.
std::int64_t token_count(const Weights& weights, std::int64_t size);

// Throws Error for choices, sizes and specs that do not work.
ForwardResult forward(const Weights& weights, const Batch& batch, const ForwardOptions& options);

}  // namespace subquad::vit
