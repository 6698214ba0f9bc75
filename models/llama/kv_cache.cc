#include "llama/kv_cache.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::llama {

KvCache::KvCache(const LlamaConfig& config, std::int64_t capacity)
    : heads_(config.kv_heads), head_dim_(config.head_dim), capacity_(capacity) {
  const std::int64_t entries = heads_ * capacity_ * head_dim_;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    keys_.emplace_back(entries);
    values_.emplace_back(entries);
  }
}

void KvCache::truncate(std::int64_t tokens) {
  if (tokens < 0 || tokens > length_)
    throw_invalid(fmt::format("tokens: {} of a cache that holds {}", tokens, length_));
  length_ = tokens;
}

}  // namespace subquad::llama
