#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "core/threads.h"
#include "heavy/sort_lsh.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 256;  // rows hashed at a time

// Hyperplane normals, packed as the B of X G^T.
class Hyperplanes {
 public:
  Hyperplanes(std::int64_t head_dim, const Rng& rng, std::int64_t round, std::int64_t bits)
      : head_dim_(head_dim), bits_(bits), panel_(kernels::blocking().panel) {
    std::vector<float> normals(static_cast<std::size_t>(bits * head_dim));
    for (std::int64_t b = 0; b < bits; ++b)
      for (std::int64_t c = 0; c < head_dim; ++c)
        normals[static_cast<std::size_t>(b * head_dim + c)] =
            rng.normal(Purpose::hyperplane, static_cast<std::uint32_t>(round * bits + b),
                       static_cast<std::uint32_t>(c));
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

 private:
  std::int64_t head_dim_, bits_, panel_, panel_stride_ = 0;
  Scratch<float> packed_;
};

std::uint32_t bucket_of(const float* projections, const float* offsets, std::int64_t bits) {
  std::uint32_t signs = 0;
  for (std::int64_t b = 0; b < bits; ++b)
    signs = (signs << 1) | (projections[b] > offsets[b] ? 1u : 0u);
  return gray_rank(signs);
}

// Mean over the keys, in double: a fixed order of summation, chunk by chunk.
std::vector<float> mean_key(const HeadProblem& head) {
  const std::int64_t width = head.head_dim();
  std::vector<double> sum(static_cast<std::size_t>(width));
  Scratch<float> rows(kChunk * width);
  for (std::int64_t begin = 0; begin < head.num_keys; begin += kChunk) {
    const kernels::RowSource part =
        head.keys().slice(begin, std::min(kChunk, head.num_keys - begin));
    kernels::load_rows(part, 1.0f, rows.data(), width, width);
    for (std::int64_t j = 0; j < part.count; ++j)
      for (std::int64_t c = 0; c < width; ++c)
        sum[static_cast<std::size_t>(c)] += rows[j * width + c];
  }
  std::vector<float> mean(sum.size());
  const double count = static_cast<double>(std::max<std::int64_t>(head.num_keys, 1));
  std::transform(sum.begin(), sum.end(), mean.begin(),
                 [&](double s) { return static_cast<float>(s / count); });
  return mean;
}

// Buckets of `count` vectors, loaded by load(begin, count, out).
template <typename Load>
Scratch<std::uint32_t> bucket_all(const Hyperplanes& planes, const float* offsets,
                                  std::int64_t count, std::int64_t width, int threads,
                                  const Load& load) {
  Scratch<std::uint32_t> buckets(count);
  parallel_workers(threads, (count + kChunk - 1) / kChunk, [&] {
    return
        [&, x = Scratch<float>(kChunk * width),
         projections = Scratch<float>(kChunk * planes.padded_bits())](std::int64_t chunk) mutable {
          const std::int64_t begin = chunk * kChunk, part = std::min(kChunk, count - begin);
          load(begin, part, x.data());
          planes.project(x.data(), part, projections.data());
          for (std::int64_t i = 0; i < part; ++i)
            buckets[begin + i] =
                bucket_of(projections.data() + i * planes.padded_bits(), offsets, planes.bits());
        };
  });
  return buckets;
}

}  // namespace

HashBuckets hash_head(const HeadProblem& head, const Rng& rng, std::int64_t round,
                      std::int64_t bits, bool center, int threads) {
  const std::int64_t width = head.head_dim();
  const Hyperplanes planes(width, rng, round, bits);
  const std::vector<float> zero(static_cast<std::size_t>(planes.padded_bits()));
  std::vector<float> offsets = zero;  // projections of the mean key
  if (center) planes.project(mean_key(head).data(), 1, offsets.data());

  HashBuckets buckets;
  buckets.keys =
      bucket_all(planes, offsets.data(), head.num_keys, width, threads,
                 [&](std::int64_t begin, std::int64_t count, float* out) {
                   kernels::load_rows(head.keys().slice(begin, count), 1.0f, out, width, width);
                 });
  // A negative scale turns the angles round: hash scale * q.
  const float sign = head.scale_log2 < 0 ? -1.0f : 1.0f;
  kernels::RowSource query{nullptr, head.problem->query.dtype, 0, width, nullptr, 0, 1};
  buckets.rows = bucket_all(planes, zero.data(), head.num_rows(), width, threads,
                            [&](std::int64_t begin, std::int64_t count, float* out) {
                              kernels::RowSource row = query;
                              for (std::int64_t i = 0; i < count; ++i) {
                                row.base = head.row_in(head.problem->query, begin + i);
                                kernels::load_rows(row, sign, out + i * width, width, width);
                              }
                            });
  return buckets;
}

Scratch<std::int32_t> sort_by_bucket(const Scratch<std::uint32_t>& buckets) {
  constexpr std::uint32_t kDigit = 12, kSize = 1u << kDigit;
  Scratch<std::int32_t> order(buckets.size()), next(buckets.size());
  std::iota(order.data(), order.data() + order.size(), 0);
  std::uint32_t any = 0;
  for (const std::uint32_t bucket : buckets.span()) any |= bucket;
  // Least significant digit first; each pass is stable.
  for (std::uint32_t shift = 0; shift < 32 && (any >> shift) != 0; shift += kDigit) {
    std::vector<std::int64_t> start(kSize + 1);
    const auto digit = [&](std::int32_t i) { return (buckets[i] >> shift) & (kSize - 1); };
    for (const std::int32_t i : order.span()) ++start[digit(i) + 1];
    for (std::size_t d = 1; d <= kSize; ++d) start[d] += start[d - 1];
    for (const std::int32_t i : order.span()) next[start[digit(i)]++] = i;
    std::swap(order, next);
  }
  return order;
}

}  // namespace subquad
