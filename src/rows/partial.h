// The partial softmax sum of a set of keys, and its merge: the one idea that joins heavy and light
// parts, key blocks, recursion levels and threads (docs/design/0001-foundation.md).
//
// For each query row: a reference exponent m, l = sum_j w_j and o = sum_j w_j v_j with
// w_j = 2^(s_j - m), s_j the base-2 logit (score * log2 e). l and o are signed sums: estimates may
// make them negative. A row with m = -inf is the identity (l = 0, o = 0).
#pragma once

#include <cstdint>

#include "core/memory.h"

namespace subquad {

// A view of `rows` partial rows. o is (rows, value_dim), rows o_stride floats apart; o_stride is a
// multiple of the widest column panel, so that kernels may write whole vectors.
struct Partial {
  float* m = nullptr;
  float* l = nullptr;
  float* o = nullptr;
  std::int64_t rows = 0;
  std::int64_t value_dim = 0;
  std::int64_t o_stride = 0;

  Partial slice(std::int64_t begin, std::int64_t count) const {
    return {m + begin, l + begin, o + begin * o_stride, count, value_dim, o_stride};
  }
};

void set_identity(const Partial& partial);
void copy_partial(const Partial& from, const Partial& to);  // same rows and value_dim

// a = merge(a, b), row by row. Exact up to rounding for any signs; commutative; the identity leaves
// the other side unchanged, bit for bit.
void merge_into(const Partial& a, const Partial& b);

// parts[0] = merge of all parts by pairwise halving: the tree depends on the count alone.
void merge_tree(Partial* parts, std::int64_t count);

// Memory for `rows` partial rows: (value_dim rounded up + 2) floats each.
class PartialBuffer {
 public:
  PartialBuffer() = default;
  PartialBuffer(std::int64_t rows, std::int64_t value_dim);
  Partial view(std::int64_t rows);  // the first `rows` rows
  bool empty() const { return o_stride_ == 0; }

 private:
  std::int64_t value_dim_ = 0;
  std::int64_t o_stride_ = 0;
  Scratch<float> m_, l_, o_;
};

// The row stride of o for a value dimension: rounded up to the widest panel of any target.
constexpr std::int64_t padded_values(std::int64_t value_dim) { return (value_dim + 31) / 32 * 32; }

// main = main +- part, row by row, for sums whose l is their last column of o. Leaves `part`
// changed.
void merge_signed(const Partial& main, Partial part, float sign);

}  // namespace subquad
