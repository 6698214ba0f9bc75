// The parameters of a vision transformer, from a safetensors file with timm's names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/linear.h"
#include "vit/preprocess.h"

namespace subquad::vit {

// What the tensors' shapes do not say: config.json beside the weights, else DeiT's values.
struct Config {
  std::int64_t heads = 0;  // 0: dim / 64
  float layer_norm_epsilon = 1e-6f;
  Preprocessing preprocessing;
};

// Reads `path`. Understood: num_heads, layer_norm_eps, activation (must be the exact GELU), and
// mean, std, interpolation (bicubic | bilinear) and crop_pct, or resize in the words of the
// project's data, at the top or inside `preprocessing` or `pretrained_cfg`. Other keys describe
// and are not read. Throws Error (invalid_argument) that names file and key.
Config read_config(const std::string& path);
// config.json in the folder of `weights`; the defaults when there is none.
Config config_beside(const std::string& weights);

struct LayerNorm {
  std::vector<float> weight, bias;
};

struct Block {
  LayerNorm norm1, norm2;
  ops::Linear qkv;  // rows (part * heads + head) * head_dim + d; part 0 = query, 1 = key, 2 = value
  ops::Linear proj;  // after attention
  ops::Linear fc1, fc2;
};

struct Weights {
  Config config;
  std::int64_t dim = 0, heads = 0, patch = 0;
  std::int64_t grid = 0;    // the position embedding is for grid x grid patches
  ops::Linear patch_embed;  // inputs: (channel * patch + row) * patch + column
  std::vector<float> class_token;
  std::vector<float> positions;  // (1 + grid^2, dim), the class token first
  std::vector<Block> blocks;
  LayerNorm norm;
  ops::Linear head;
  bool converted = false;  // some tensors were f64; they are used as f32

  std::int64_t head_dim() const { return dim / heads; }
  std::int64_t depth() const { return static_cast<std::int64_t>(blocks.size()); }
  std::int64_t classes() const { return head.outputs(); }
};

// The architecture follows from the shapes. Tensors f32, f16, bf16, or f64, which is converted to
// f32. Throws Error (invalid_argument) that names file and tensor: missing, of a wrong shape or
// type, not finite, or unknown (a part that this model does not have is never left out silently).
Weights load_weights(const std::string& path, const Config& config);

}  // namespace subquad::vit
