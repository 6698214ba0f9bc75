// Linear attention step by step: the sums over all keys so far, and what queries read from them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "subquad/export.h"
#include "subquad/tensor.h"

namespace subquad {

// phi of the weights phi(q) . phi(k).
//   none  phi(x) = x: the normalised dot products of "Superiority of Softmax" (Definitions 3.2 and
//         C.1), times the scale. Weights are signed.
//   elu   phi(x) = elu(x) + 1 (Katharopoulos et al. 2020, equation 7)
//   relu  phi(x) = max(x, 0)
// For elu and relu the weight is the mean over channels, phi(q) . phi(k) / D, and the scale is not
// used: a key at zero weighs 1 with elu, as in softmax attention.
enum class FeatureMap : std::uint8_t { none, elu, relu };

struct LinearShape {
  std::int64_t batch = 1;  // sequences that go in step; otherwise give each its own state
  std::int64_t kv_heads = 1;
  std::int64_t head_dim = 0;   // 1 to 512
  std::int64_t value_dim = 0;  // 1 to 512
  FeatureMap map = FeatureMap::elu;
  std::optional<float> scale = {};  // map = none; absent: 1 / sqrt(head_dim)
};

// Equals attend(.., "linear(map=..)") with a causal mask, row by row, up to rounding. The sums are
// kept in double precision: single steps do not wear them out. Any number of threads may call
// attend() of one state at once; append() and writes to sums() want it alone.
class SUBQUAD_API LinearState {
 public:
  // Throws Error (invalid_argument), as every member does.
  explicit LinearState(const LinearShape& shape);

  const LinearShape& shape() const { return shape_; }

  // Adds keys (B, Hkv, L, D) and their values (B, Hkv, L, Dv), of any dtype: one step, or a whole
  // prompt. O(L D Dv) a head, a matrix product. threads: 0 for the default; the bits do not
  // depend on it.
  void append(const TensorView& keys, const TensorView& values, int threads = 0);

  // out (B, Hq, L, Dv) of any dtype: what queries (B, Hq, L, D) get from all keys appended so far;
  // Hq is a multiple of the kv heads. A row whose weights sum to 0 (no keys) gives zeros, one whose
  // sum is not finite NaN. O(L D Dv) a head. Returns how many rows had a negative sum. `out` must
  // not share a byte with the queries or the state.
  std::int64_t attend(const TensorView& queries, const MutableTensorView& out,
                      int threads = 0) const;

  // (batch, kv_heads, D, Dv + 1), row-major: sums over keys of phi(k)_c v_e; last, of phi(k)_c.
  // Copy them out and back in to save, restore or move the state; zeros are the empty state.
  std::span<double> sums() { return sums_; }
  std::span<const double> sums() const { return sums_; }

 private:
  LinearShape shape_;
  std::vector<double> sums_;
};

}  // namespace subquad
