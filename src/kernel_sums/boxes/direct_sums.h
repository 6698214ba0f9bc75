// Exact kernel sums in few dimensions: 64 near queries at a time meet every key by differences of
// coordinates, in f32 from the center of some near keys, so that no bit is lost to points far from
// the origin or from each other. m n (3 D + 2 C) flops, and the trees of box_tree.h.
#pragma once

#include <cstdint>

#include "kernel_sums/boxes/box_keys.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

// Beyond, products of matrices are faster.
inline constexpr std::int64_t kDirectDims = 8;

// Writes all sums of the head: finite values, at least one query and one key.
void direct_sums(const KernelHead& head, float* out, int threads);

// The same from trees that are there.
void direct_sums(const BoxTree& queries, const BoxKeys& keys, float* out, int threads);

}  // namespace subquad
