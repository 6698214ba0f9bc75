// Which keys all rows take exactly, which they draw, and how.
//
// source: KMV, Definition 3.1 and Lemma 3.2: with |x|^2 = n, H1 = {x_j^2 >= n^gamma} is summed
// exactly, H2 = {x_j^2 <= n^-4} is left out, T is the rest. With C columns x_j^2 is the squared
// norm of row j.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

struct ColumnSplit {
  std::vector<double> squares;        // x_j^2 of every key
  double total = 0;                   // |x|^2
  std::vector<std::int32_t> large;    // H1
  std::vector<std::int32_t> sampled;  // T
  double sampled_total = 0;           // of T's squares

  // Of drawing key j of T: half in proportion to x_j^2, half uniform. sum_j x_j^2 K_ij^2 / p_j is
  // then at most 2 |x|^2 sum_j K_ij^2, and no value is above 2 n |x_j|.
  double chance(std::int64_t j) const {
    return 0.5 * squares[static_cast<std::size_t>(j)] / sampled_total +
           0.5 / static_cast<double>(sampled.size());
  }
};

// H1 by its share of |x|^2: x_j^2 >= share |x|^2; the paper's is n^(gamma - 1).
ColumnSplit split_columns(const KernelHead& head, double share);

// Draws from T, with replacement: where the keys are, x_j / p_j, and x_j^2 / p_j^2.
struct DrawnKeys {
  std::vector<std::int32_t> keys;
  std::vector<float> points, values;
  std::vector<double> squares;

  std::int64_t size() const { return static_cast<std::int64_t>(keys.size()); }
};
DrawnKeys draw_keys(const KernelHead& head, const ColumnSplit& columns, std::int64_t count,
                    const Rng& rng);

}  // namespace subquad
