#include "index/cluster_lsh.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "core/threads.h"
#include "index/hash_head.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "index/cluster_draws.h"
#include "index/cluster_tree.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 256;  // rows hashed at a time

// Normals as the B of X G^T.
struct Planes {
  std::int64_t bits, panel_stride;
  Scratch<float> packed;
};

Planes draw_planes(std::int64_t bits, std::int64_t dim, const Rng& rng) {
  std::vector<float> normals;
  for (std::int64_t i = 0; i < bits * dim; ++i)
    normals.push_back(rng.normal(Purpose::cluster, static_cast<std::uint32_t>(ClusterDraw::plane),
                                 static_cast<std::uint32_t>(i)));
  const std::int64_t panel = kernels::blocking().panel;
  Planes planes{bits, 0, Scratch<float>((bits + panel - 1) / panel * panel * dim)};
  planes.panel_stride = kernels::pack_transposed(
      {normals.data(), DType::f32, dim, dim, nullptr, 0, bits}, planes.packed.data());
  return planes;
}

std::uint32_t code_of(const float* projections, std::int64_t bits) {
  std::uint32_t signs = 0;
  for (std::int64_t b = 0; b < bits; ++b) signs = (signs << 1) | (projections[b] > 0 ? 1u : 0u);
  return gray_rank(signs);
}

// The codes of all points, in their order.
std::vector<std::uint32_t> hash_points(const ScaledPoints& points, const Planes& planes,
                                       int threads) {
  const std::int64_t panel = kernels::blocking().panel;
  const std::int64_t padded = (planes.bits + panel - 1) / panel * panel;
  std::vector<std::uint32_t> codes(static_cast<std::size_t>(points.n));
  parallel_workers(threads, (points.n + kChunk - 1) / kChunk, [&] {
    return [&, projections = Scratch<float>(kChunk * padded)](std::int64_t chunk) mutable {
      const std::int64_t begin = chunk * kChunk, count = std::min(kChunk, points.n - begin);
      kernels::gemm({points.row(begin), points.stride, 1},
                    {planes.packed.data(), planes.panel_stride, panel}, count, planes.bits,
                    points.dim, projections.data(), padded, false);
      for (std::int64_t i = 0; i < count; ++i)
        codes[static_cast<std::size_t>(begin + i)] =
            code_of(projections.data() + i * padded, planes.bits);
    };
  });
  return codes;
}

}  // namespace

void sort_by_lsh(const ScaledPoints& points, std::span<std::int32_t> ids, std::int64_t count,
                 const Rng& rng, int threads) {
  const std::int64_t bits = std::min<std::int64_t>(
      24, static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(count))) + 2);
  const auto all = hash_points(points, draw_planes(bits, points.dim, rng), threads);
  std::vector<std::uint32_t> codes;
  for (const std::int32_t i : ids) codes.push_back(all[static_cast<std::size_t>(i)]);
  const std::vector<std::int32_t> old(ids.begin(), ids.end());
  const Scratch<std::int32_t> order = sort_by_bucket(codes, 0);
  for (std::size_t i = 0; i < old.size(); ++i)
    ids[i] = old[static_cast<std::size_t>(order[static_cast<std::int64_t>(i)])];
  const auto size = static_cast<std::int64_t>(ids.size());
  for (std::int64_t c = 0; c < count; ++c)
    std::sort(ids.begin() + run_begin(size, c, count), ids.begin() + run_begin(size, c + 1, count));
}

}  // namespace subquad
