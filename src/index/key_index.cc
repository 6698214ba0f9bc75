#include "index/key_index.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

kernels::RowSource rows_of(const HeadProblem& head, const IndexList& keys) {
  kernels::RowSource source = head.keys();
  source.ids = keys.ids;
  source.first = keys.first;
  source.count = keys.count;
  return source;
}

// The cluster with the largest k . mean - |mean|^2 / 2; -1 if there is none.
std::int64_t nearest_of(const float* scores, const std::vector<float>& half) {
  std::int64_t nearest = -1;
  float best = -HUGE_VALF;
  for (std::size_t c = 0; c < half.size(); ++c) {
    const float score = scores[c] - half[c];
    if (!(score > best)) continue;
    best = score;
    nearest = static_cast<std::int64_t>(c);
  }
  return best < HUGE_VALF ? nearest : -1;
}

}  // namespace

KeyIndex::KeyIndex(const HeadProblem& head, const KeyScope& keys, std::int64_t clusters,
                   Clustering how, const Rng& rng, int threads)
    : head_dim_(head.head_dim()), panel_(kernels::blocking().panel), begin_{0} {
  add_own(head, keys.own, clusters, how, rng, threads);
  pack_means();
  if (keys.before.count + keys.after.count > 0) {
    join(head, keys.before);
    join(head, keys.after);
    for (auto& ids : members_) std::sort(ids.begin(), ids.end());
  }
  for (std::int64_t c = 0; c < size(); ++c) {
    largest_ = std::max(largest_, members(c).count);
    begin_.push_back(begin_.back() + round_up(members(c).count, panel_));
  }
  pack_members(head, threads);
}

void KeyIndex::add_own(const HeadProblem& head, const IndexList& keys, std::int64_t clusters,
                       Clustering how, const Rng& rng, int threads) {
  Scratch<float> points(keys.count * head_dim_);
  kernels::load_rows(rows_of(head, keys), 1.0F, points.data(), head_dim_, head_dim_);
  const Partition partition =
      cluster_points(points.data(), keys.count, head_dim_, clusters, how, rng, threads);
  means_ = cluster_means(partition, points.data(), head_dim_, threads);
  for (std::int64_t c = 0; c < partition.size(); ++c) {
    std::vector<std::int32_t>& ids = members_.emplace_back();
    const IndexList members = partition.members(c);
    for (std::int64_t i = 0; i < members.count; ++i)
      ids.push_back(static_cast<std::int32_t>(keys[members[i]]));
  }
}

// |mean|^2 / 2, +inf for a mean that is not finite: nothing is nearest to it.
std::vector<float> KeyIndex::half_squares() const {
  std::vector<float> squares;
  for (std::int64_t c = 0; c < size(); ++c) {
    const float* mean = means_.data() + c * head_dim_;
    const float sum = std::inner_product(mean, mean + head_dim_, mean, 0.0F) / 2;
    squares.push_back(std::isfinite(sum) ? sum : HUGE_VALF);
  }
  return squares;
}

// Keys that are not finite, or near nothing, share a last cluster with a mean of +inf.
void KeyIndex::join(const HeadProblem& head, const IndexList& keys) {
  constexpr std::int64_t kKeys = 96;
  const std::vector<float> half = half_squares();
  const std::int64_t clusters = size(), stride = round_up(clusters, panel_);
  Scratch<float> points(kKeys * head_dim_), scores(kKeys * stride);
  std::vector<std::int32_t> odd;
  for (std::int64_t begin = 0; begin < keys.count; begin += kKeys) {
    const std::int64_t count = std::min(kKeys, keys.count - begin);
    kernels::load_rows(rows_of(head, keys.slice(begin, count)), 1.0F, points.data(), head_dim_,
                       head_dim_);
    score_means(points.data(), count, scores.data(), stride);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t nearest = nearest_of(scores.data() + i * stride, half);
      (nearest < 0 ? odd : members_[static_cast<std::size_t>(nearest)])
          .push_back(static_cast<std::int32_t>(keys[begin + i]));
    }
  }
  if (odd.empty()) return;
  members_.push_back(std::move(odd));
  means_.insert(means_.end(), static_cast<std::size_t>(head_dim_), HUGE_VALF);
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
