#include "far/leaves/leaf_probes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/threads.h"
#include "kernels/open.h"
#include "kernels/softmax.h"
#include "rows/attend_run.h"
#include "rows/row_block.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 12;              // probes that share a pass over the leaves
constexpr std::int64_t kBuckets = kLimits + 1;  // the last: closed at every limit

// Of a multiple of eight numbers.
float sum_of(const float* x, std::int64_t count) {
  float sums[8] = {};
  for (std::int64_t i = 0; i < count; i += 8)
    for (std::int64_t k = 0; k < 8; ++k) sums[k] += x[i + k];
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

// Probes of one block: those that stand close together.
class ProbeBlock {
 public:
  ProbeBlock(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach)
      : head_(head),
        index_(index),
        reach_(reach),
        width_(index.value_stride() + 1),
        stride_(score_stride(index.size())),
        rows_(head.head_dim(), head.value_dim(), kRows),
        scratch_(head.head_dim(), head.value_dim()),
        scores_(kRows * stride_),
        reaches_(kRows * stride_),
        squares_(kRows * head.head_dim()),
        leaf_scores_(kRows * score_stride(index.shape().leaf)),
        leaf_sums_(kRows * index.value_stride()),
        missed_(kRows * kBuckets * width_),
        bucket_(static_cast<std::size_t>(kRows * stride_)) {}

  void run(std::span<const std::int32_t> rows, std::span<const std::int64_t> prefixes,
           LeafProbe* probes) {
    probes_ = probes;
    rows_.load(head_, {rows.data(), 0, std::ssize(rows), true});
    last_ = 0;
    std::fill_n(missed_.data(), kRows * kBuckets * width_, 0.0f);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      probes[r].row = rows[r];
      probes[r].prefix = prefixes[r];
      last_ = std::max(last_, prefixes[r]);
      attend_behind(static_cast<std::int64_t>(r));
    }
    kernels::gemm({rows_.query(0), head_.head_dim(), 1}, index_.mean_keys(), std::ssize(rows),
                  index_.leaves_in(last_), head_.head_dim(), scores_.data(), stride_, false);
    reach_.measure({rows_.query(0), head_.head_dim(), std::ssize(rows)}, index_.leaves_in(last_),
                   squares_.data(), reaches_.data(), stride_);
    for (std::int64_t r = 0; r < rows_.rows().count; ++r) close_leaves(r);
    for (std::int64_t leaf = 0; leaf < index_.leaves_in(last_); ++leaf) measure_leaf(leaf);
    for (std::int64_t r = 0; r < rows_.rows().count; ++r) judge(r);
  }

 private:
  // The keys behind the row's prefix.
  void attend_behind(std::int64_t r) {
    const Range seen = head_.visible(probes_[r].row);
    KeyRun run{{r, r + 1}, index_range(probes_[r].prefix * index_.shape().chunk, seen.end)};
    run.in_f32 = true;
    if (run.keys.count > 0) attend_run(head_, rows_, run, {}, scratch_);
  }

  // The row's leaves as weights, all of them closed; at which limit each would be opened.
  void close_leaves(std::int64_t r) {
    const std::int64_t leaves = index_.leaves_in(probes_[r].prefix);
    float* scores = scores_.data() + r * stride_;
    Partial sums = rows_.partial().slice(r, 1);
    if (leaves == 0) return;
    const float* reach = reaches_.data() + r * stride_;
    const float size = reach_.log2_size();
    for (std::int64_t c = 0; c < leaves; ++c) scores[c] += size;
    const float total = kernels::log2_total(scores, leaves, sums.m[0] + std::log2(sums.l[0]));
    for (std::int64_t c = 0; c < leaves; ++c) {
      const float above = scores[c] - size + reach[c] - total;
      bucket_[static_cast<std::size_t>(r * stride_ + c)] = bucket_of(above);
    }
    kernels::softmax_update(scores, stride_, 1, leaves,
                            {sums.m, sums.l, sums.o, sums.o_stride, sums.value_dim});
    kernels::gemm({scores, stride_, 1}, index_.mean_values(), 1, head_.value_dim(), leaves, sums.o,
                  sums.o_stride, true);
  }

  // The first limit that is below; NaN: closed at every limit.
  static std::uint8_t bucket_of(float above) {
    const float at = std::floor((kHighestLimit - above) / kLimitStep) + 1;
    if (!(at < static_cast<float>(kLimits))) return kLimits;
    return static_cast<std::uint8_t>(std::max(at, 0.0f));
  }

  // What the leaf holds for each row beyond its pseudo key.
  void measure_leaf(std::int64_t leaf) {
    const std::int64_t size = index_.shape().leaf, stride = score_stride(size);
    const std::int64_t count = rows_.rows().count, values = index_.value_stride();
    const Partial sums = rows_.partial();
    kernels::gemm({rows_.query(0), head_.head_dim(), 1}, index_.keys(leaf), count, size,
                  head_.head_dim(), leaf_scores_.data(), stride, false);
    kernels::exp2_rows(leaf_scores_.data(), stride, count, size, sums.m);
    kernels::gemm({leaf_scores_.data(), stride, 1}, index_.values(leaf), count, head_.value_dim(),
                  size, leaf_sums_.data(), values, false);
    for (std::int64_t r = 0; r < count; ++r) {
      if (leaf >= index_.leaves_in(probes_[r].prefix)) continue;
      const std::int64_t bucket = bucket_[static_cast<std::size_t>(r * stride_ + leaf)];
      if (bucket < kLimits) probes_[r].opened[bucket] += 1;
      const float weight = scores_[r * stride_ + leaf];
      float* missed = missed_.data() + (r * kBuckets + bucket) * width_;
      const float* mean = index_.mean_value(leaf);
      for (std::int64_t d = 0; d < head_.value_dim(); ++d)
        missed[d] += leaf_sums_[r * values + d] - weight * mean[d];
      missed[values] += sum_of(leaf_scores_.data() + r * stride, size) - weight;
    }
  }

  // From the last limit, where next to nothing is missed, to the first.
  void judge(std::int64_t r) {
    LeafProbe& probe = probes_[r];
    const std::int64_t width = head_.value_dim(), values = index_.value_stride();
    const Partial sums = rows_.partial().slice(r, 1);
    std::vector<double> exact(static_cast<std::size_t>(width)), left(exact.size(), 0.0);
    double l = sums.l[0], left_l = 0;
    const auto missed = [&](std::int64_t i) {
      return missed_.data() + (r * kBuckets + i) * width_;
    };
    for (std::int64_t i = 0; i < kBuckets; ++i) l += double{missed(i)[values]};
    for (std::int64_t d = 0; d < width; ++d) {
      double& x = exact[static_cast<std::size_t>(d)];
      x = sums.o[d];
      for (std::int64_t i = 0; i < kBuckets; ++i) x += double{missed(i)[d]};
      probe.out_square += static_cast<float>(x / l * (x / l));
    }
    for (std::int64_t i = kLimits - 1; i >= 0; --i) {
      // At limit i the leaves of buckets above i are closed.
      left_l += double{missed(i + 1)[values]};
      for (std::int64_t d = 0; d < width; ++d)
        left[static_cast<std::size_t>(d)] += double{missed(i + 1)[d]};
      double square = 0;
      for (std::size_t d = 0; d < exact.size(); ++d) {
        const double off = (exact[d] - left[d]) / (l - left_l) - exact[d] / l;
        square += off * off;
      }
      probe.error[i] = static_cast<float>(square);
    }
    for (std::int64_t i = 1; i < kLimits; ++i) probe.opened[i] += probe.opened[i - 1];
    probe.finite = std::isfinite(probe.out_square) && std::isfinite(probe.error[0]);
  }

  const HeadProblem& head_;
  const LeafIndex& index_;
  const LeafReach& reach_;
  std::int64_t width_, stride_, last_ = 0;
  RowBlock rows_;
  TileScratch scratch_;
  Scratch<float> scores_, reaches_, squares_, leaf_scores_, leaf_sums_, missed_;
  std::vector<std::uint8_t> bucket_;
  LeafProbe* probes_ = nullptr;
};

}  // namespace

LeafProbes::LeafProbes(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach,
                       std::span<const std::int32_t> rows, std::span<const std::int64_t> prefixes,
                       int threads)
    : probes_(rows.size()) {
  const auto count = std::ssize(rows);
  parallel_workers(threads, (count + kRows - 1) / kRows, [&] {
    return [&, block = ProbeBlock(head, index, reach)](std::int64_t b) mutable {
      const auto begin = static_cast<std::size_t>(b * kRows);
      const auto size = std::min<std::size_t>(kRows, rows.size() - begin);
      block.run(rows.subspan(begin, size), prefixes.subspan(begin, size), &probes_[begin]);
    };
  });
}

}  // namespace subquad
