// Queries that are met by every key: what the tables and draws are planned by, and what the result
// is held against.
#pragma once

#include <cstdint>
#include <vector>

#include "index/lsh_plan.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kmv/column_split.h"

namespace subquad {

struct KmvProbes {
  std::vector<std::int64_t> rows;  // of the head's queries
  std::vector<double> sums;        // exact, rows x C
  // Distances in bandwidths; the weight of a key of T is x_j^2 K_ij^2 / p_j, its part of the second
  // moment of one draw.
  DistanceProfile profile;

  double count() const { return static_cast<double>(rows.size()); }
};

// One query from each of `count` equal runs. 3 n D flops a query.
KmvProbes probe_queries(const KernelHead& head, const ColumnSplit& columns, std::int64_t count,
                        const Rng& rng, int threads);

// The squared error of `out` at the probes, and the squares of the exact sums there.
struct ProbeErrors {
  double error = 0, exact = 0;
};
ProbeErrors compare(const KmvProbes& probes, const float* out, std::int64_t channels);

// Of all channels alike.
inline float one_scale(const KernelHead& head) { return head.scales.front(); }

// |q - k|^2 in bandwidths, by differences: right however far from the origin the points are.
float squared_distance(const KernelHead& head, const float* query, std::int64_t key);

}  // namespace subquad
