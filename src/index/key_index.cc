#include "index/key_index.h"

#include <algorithm>
#include <cmath>

#include "core/threads.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

KeyIndex::KeyIndex(const HeadProblem& head, std::int64_t clusters, Clustering how, const Rng& rng,
                   int threads)
    : head_dim_(head.head_dim()), panel_(kernels::blocking().panel), begin_{0} {
  Scratch<float> keys(head.num_keys * head_dim_);
  kernels::load_rows(head.keys(), 1.0F, keys.data(), head_dim_, head_dim_);
  partition_ = cluster_points(keys.data(), head.num_keys, head_dim_, clusters, how, rng, threads);
  means_ = cluster_means(partition_, keys.data(), head_dim_, threads);
  for (std::int64_t c = 0; c < size(); ++c) {
    largest_ = std::max(largest_, members(c).count);
    begin_.push_back(begin_.back() + round_up(members(c).count, panel_));
  }
  pack_members(head, threads);
  pack_means();
}

void KeyIndex::pack_members(const HeadProblem& head, int threads) {
  packed_keys_ = Scratch<float>(begin_.back() * head_dim_);
  parallel_for(threads, size(), [&](std::int64_t c) {
    kernels::RowSource source = head.keys();
    source.ids = members(c).ids;
    source.first = 0;
    source.count = members(c).count;
    kernels::pack_transposed(source,
                             packed_keys_.data() + begin_[static_cast<std::size_t>(c)] * head_dim_);
  });
}

void KeyIndex::pack_means() {
  packed_means_ = Scratch<float>(round_up(size(), panel_) * head_dim_);
  kernels::pack_transposed({means_.data(), DType::f32, head_dim_, head_dim_, nullptr, 0, size()},
                           packed_means_.data());
}

void KeyIndex::score_means(const float* queries, std::int64_t rows, float* scores,
                           std::int64_t stride) const {
  kernels::gemm({queries, head_dim_, 1}, {packed_means_.data(), panel_ * head_dim_, panel_}, rows,
                size(), head_dim_, scores, stride, false);
  for (std::int64_t c = 0; c < size(); ++c) {
    const float* mean = means_.data() + c * head_dim_;
    if (std::all_of(mean, mean + head_dim_, [](float x) { return std::isfinite(x); })) continue;
    for (std::int64_t r = 0; r < rows; ++r) scores[r * stride + c] = HUGE_VALF;
  }
}

void KeyIndex::score_members(std::int64_t cluster, const float* queries, std::int64_t rows,
                             float* scores, std::int64_t stride) const {
  const float* keys = packed_keys_.data() + begin_[static_cast<std::size_t>(cluster)] * head_dim_;
  kernels::gemm({queries, head_dim_, 1}, {keys, panel_ * head_dim_, panel_}, rows,
                members(cluster).count, head_dim_, scores, stride, false);
}

}  // namespace subquad
