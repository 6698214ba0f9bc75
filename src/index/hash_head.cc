#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "core/threads.h"
#include "rows/head_rows.h"
#include "index/hash_head.h"
#include "kernels/backward.h"
#include "kernels/filter.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 256;  // rows hashed at a time

// Hyperplane normals, packed as the B of X G^T; channel `head_dim` is that of the extra norm
// coordinate.
class Hyperplanes {
 public:
  Hyperplanes(std::int64_t head_dim, const Rng& rng, std::int64_t round, std::int64_t bits)
      : head_dim_(head_dim), bits_(bits), panel_(kernels::blocking().panel) {
    std::vector<float> normals;
    for (std::int64_t b = 0; b < bits; ++b) {
      const auto plane = static_cast<std::uint32_t>(round * bits + b);
      for (std::int64_t c = 0; c < head_dim; ++c)
        normals.push_back(rng.normal(Purpose::hyperplane, plane, static_cast<std::uint32_t>(c)));
      last_.push_back(rng.normal(Purpose::hyperplane, plane, static_cast<std::uint32_t>(head_dim)));
    }
    packed_ = Scratch<float>((bits + panel_ - 1) / panel_ * panel_ * head_dim);
    kernels::RowSource source{normals.data(), DType::f32, head_dim, head_dim, nullptr, 0, bits};
    panel_stride_ = kernels::pack_transposed(source, packed_.data());
  }

  // out[i * padded_bits() + b] = x_i . normal_b
  void project(const float* x, std::int64_t count, float* out) const {
    kernels::gemm({x, head_dim_, 1}, {packed_.data(), panel_stride_, panel_}, count, bits_,
                  head_dim_, out, padded_bits(), false);
  }
  std::int64_t padded_bits() const { return (bits_ + panel_ - 1) / panel_ * panel_; }
  std::int64_t bits() const { return bits_; }
  // The planes' coordinates along the norm coordinate.
  const float* last() const { return last_.data(); }

 private:
  std::int64_t head_dim_, bits_, panel_, panel_stride_ = 0;
  Scratch<float> packed_;
  std::vector<float> last_;
};

// The bucket of a vector from its projections p: the signs of p + extra * last - offsets.
std::uint32_t bucket_of(const float* projections, const float* offsets, float extra,
                        const Hyperplanes& planes) {
  std::uint32_t signs = 0;
  for (std::int64_t b = 0; b < planes.bits(); ++b)
    signs = (signs << 1) | (projections[b] + extra * planes.last()[b] > offsets[b] ? 1u : 0u);
  return gray_rank(signs);
}

// The buckets with one of the `flips` least certain signs flipped.
void near_buckets(std::uint32_t bucket, const float* projections, std::int64_t bits,
                  std::int64_t flips, std::uint32_t* near) {
  std::vector<std::pair<float, std::int64_t>> margins;
  for (std::int64_t b = 0; b < bits; ++b)
    margins.emplace_back(std::isnan(projections[b]) ? 0.0F : std::abs(projections[b]), b);
  std::partial_sort(margins.begin(), margins.begin() + flips, margins.end());
  for (std::int64_t f = 0; f < flips; ++f) {
    const std::int64_t bit = bits - 1 - margins[static_cast<std::size_t>(f)].second;
    near[f] = bucket ^ gray_rank(1U << bit);  // gray_rank is linear over the bits
  }
}

template <typename Visit>
void for_chunks(std::int64_t count, const Visit& visit) {
  for (std::int64_t begin = 0; begin < count; begin += kChunk)
    visit(begin, std::min(kChunk, count - begin));
}

// The vectors to be hashed, in chunks of f32.
class Keys {
 public:
  Keys(const HeadProblem& head, const IndexList& list) : head_(head), list_(list) {}
  std::int64_t count() const { return list_.count; }
  void load(std::int64_t begin, std::int64_t count, float* out) const {
    kernels::RowSource source = head_.keys();
    source.ids = list_.ids;
    source.first = list_.first;
    kernels::load_rows(source.slice(begin, count), 1.0f, out, head_.head_dim(), head_.head_dim());
  }

 private:
  const HeadProblem& head_;
  IndexList list_;
};

class Rows {
 public:
  Rows(const HeadProblem& head, const IndexList& rows) : head_(head), rows_(rows) {}
  std::int64_t count() const { return rows_.count; }
  // A negative scale turns the angles round: hash scale * q.
  void load(std::int64_t begin, std::int64_t count, float* out) const {
    load_head_rows(head_, head_.problem->query, rows_.slice(begin, count),
                   head_.scale_log2 < 0 ? -1.0f : 1.0f, out, head_.head_dim());
  }

 private:
  const HeadProblem& head_;
  IndexList rows_;
};

bool is_finite(const float* x, std::int64_t count) {
  return kernels::within(x, count, std::numeric_limits<float>::max());
}

// Mean over the keys, in double: a fixed order of summation, chunk by chunk. Keys with an Inf or
// NaN have no say.
std::vector<float> mean_key(const HeadProblem& head, const IndexList& keys) {
  const std::int64_t width = head.head_dim();
  std::vector<double> sum(static_cast<std::size_t>(width));
  std::vector<float> part(sum.size());
  Scratch<float> rows(kChunk * width);
  std::int64_t finite = 0;
  for_chunks(keys.count, [&](std::int64_t begin, std::int64_t count) {
    Keys(head, keys).load(begin, count, rows.data());
    std::fill(part.begin(), part.end(), 0.0f);
    const bool all_finite = is_finite(rows.data(), count * width);
    for (std::int64_t j = 0; j < count; ++j) {
      if (!all_finite && !is_finite(rows.data() + j * width, width)) continue;
      ++finite;
      kernels::add_rows(rows.data() + j * width, 0, 1, width, 1.0f, part.data(), 0);
    }
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += part[c];
  });
  std::vector<float> mean(sum.size());
  const double count = static_cast<double>(std::max<std::int64_t>(finite, 1));
  std::transform(sum.begin(), sum.end(), mean.begin(),
                 [&](double s) { return static_cast<float>(s / count); });
  return mean;
}

// |k - mean|^2 of every key.
std::vector<float> squared_norms(const HeadProblem& head, const IndexList& keys,
                                 const std::vector<float>& mean) {
  const std::int64_t width = head.head_dim();
  std::vector<float> norms(static_cast<std::size_t>(keys.count));
  Scratch<float> rows(kChunk * width);
  for_chunks(keys.count, [&](std::int64_t begin, std::int64_t count) {
    Keys(head, keys).load(begin, count, rows.data());
    for (std::int64_t j = 0; j < count; ++j)
      kernels::add_rows(mean.data(), 0, 1, width, -1.0f, rows.data() + j * width, 0);
    kernels::dot_rows(rows.data(), rows.data(), count, width, norms.data() + begin);
  });
  return norms;
}

// sqrt(M^2 - |k|^2), M the largest finite norm of the reference; 0 for keys that are longer or not
// finite.
std::vector<float> norm_coordinates(const HeadProblem& head, const HashScope& scope,
                                    const std::vector<float>& mean) {
  float largest = 0;
  for (const float norm : squared_norms(head, scope.reference, mean))
    if (std::isfinite(norm)) largest = std::max(largest, norm);
  std::vector<float> norms = squared_norms(head, scope.keys, mean);
  for (float& norm : norms) norm = norm < largest ? std::sqrt(largest - norm) : 0.0f;
  return norms;
}

template <typename Vectors>
Scratch<std::uint32_t> bucket_all(const Hyperplanes& planes, const Vectors& vectors,
                                  std::int64_t width, const float* offsets,
                                  const std::vector<float>& extra, int threads,
                                  Scratch<std::uint32_t>* near = nullptr) {
  Scratch<std::uint32_t> buckets(vectors.count());
  const std::int64_t flips = near == nullptr ? 0 : near->size() / vectors.count();
  parallel_workers(threads, (vectors.count() + kChunk - 1) / kChunk, [&] {
    return
        [&, x = Scratch<float>(kChunk * width),
         projections = Scratch<float>(kChunk * planes.padded_bits())](std::int64_t chunk) mutable {
          const std::int64_t begin = chunk * kChunk;
          const std::int64_t count = std::min(kChunk, vectors.count() - begin);
          vectors.load(begin, count, x.data());
          planes.project(x.data(), count, projections.data());
          for (std::int64_t i = 0; i < count; ++i) {
            const float* row = projections.data() + i * planes.padded_bits();
            buckets[begin + i] = bucket_of(
                row, offsets, extra.empty() ? 0.0f : extra[static_cast<std::size_t>(begin + i)],
                planes);
            if (flips > 0)
              near_buckets(buckets[begin + i], row, planes.bits(), flips,
                           near->data() + (begin + i) * flips);
          }
        };
  });
  return buckets;
}

}  // namespace

HashBuckets hash_head(const HeadProblem& head, const Rng& rng, std::int64_t round,
                      const HashOptions& options, int threads) {
  const IndexList keys = index_range(0, head.num_keys);
  return hash_scope(head, rng, round, options, {index_range(0, head.num_rows()), keys, keys},
                    threads);
}

HashBuckets hash_scope(const HeadProblem& head, const Rng& rng, std::int64_t round,
                       const HashOptions& options, const HashScope& scope, int threads) {
  const std::int64_t width = head.head_dim();
  const Hyperplanes planes(width, rng, round, options.bits);
  const std::vector<float> zero(static_cast<std::size_t>(planes.padded_bits()));
  std::vector<float> offsets = zero;  // projections of the mean key
  std::vector<float> mean(static_cast<std::size_t>(width));
  if (options.center) {
    mean = mean_key(head, scope.reference);
    planes.project(mean.data(), 1, offsets.data());
  }
  std::vector<float> extra;
  if (options.norm) extra = norm_coordinates(head, scope, mean);
  const Rows rows(head, scope.rows);
  HashBuckets buckets;
  buckets.keys = bucket_all(planes, Keys(head, scope.keys), width, offsets.data(), extra, threads);
  buckets.near = Scratch<std::uint32_t>(rows.count() * options.flips);
  buckets.rows = bucket_all(planes, rows, width, zero.data(), {}, threads,
                            options.flips > 0 ? &buckets.near : nullptr);
  return buckets;
}

Scratch<std::int32_t> sort_by_bucket(std::span<const std::uint32_t> buckets, std::int64_t first) {
  constexpr std::uint32_t kDigit = 8, kSize = 1u << kDigit;
  const auto count = static_cast<std::int64_t>(buckets.size());
  Scratch<std::int32_t> order(count), next(count);
  std::iota(order.data(), order.data() + count, 0);
  std::uint32_t any = 0;
  for (const std::uint32_t bucket : buckets) any |= bucket;
  // Least significant digit first; each pass is stable.
  for (std::uint32_t shift = 0; shift < 32 && (any >> shift) != 0; shift += kDigit) {
    std::int64_t start[kSize + 1] = {};
    const auto digit = [&](std::int32_t i) {
      return (buckets[static_cast<std::size_t>(i)] >> shift) & (kSize - 1);
    };
    for (const std::int32_t i : order.span()) ++start[digit(i) + 1];
    for (std::size_t d = 1; d <= kSize; ++d) start[d] += start[d - 1];
    for (const std::int32_t i : order.span()) next[start[digit(i)]++] = i;
    std::swap(order, next);
  }
  for (std::int32_t& i : order.span()) i += static_cast<std::int32_t>(first);
  return order;
}

}  // namespace subquad
