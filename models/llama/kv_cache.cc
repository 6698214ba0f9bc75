#include "llama/kv_cache.h"

namespace subquad::llama {

KvCache::KvCache(const LlamaConfig& config, std::int64_t capacity)
    : heads_(config.kv_heads), head_dim_(config.head_dim), capacity_(capacity) {
  const std::int64_t entries = heads_ * capacity_ * head_dim_;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    keys_.emplace_back(entries);
    values_.emplace_back(entries);
  }
}

}  // namespace subquad::llama
