#include "rows/key_tile.h"

#include <limits>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "rows/overflows.h"

namespace subquad {
namespace {

kernels::RowSource select(kernels::RowSource source, const IndexList& list) {
  source.ids = list.ids;
  source.first = list.first;
  source.count = list.count;
  return source;
}

}  // namespace

float lowest_score(const HeadProblem& head) {
  using Float = std::numeric_limits<float>;
  return head.problem->mask.kind == MaskKind::additive ? Float::quiet_NaN() : Float::lowest();
}

KeyTile::KeyTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim),
      panel_(kernels::blocking().panel),
      packed_keys_(round_up(capacity, panel_) * head_dim),
      values_(value_dim, capacity) {}

void KeyTile::pack(const HeadProblem& head, const IndexList& keys, const float* bias) {
  keys_ = keys;
  bias_ = bias;
  lowest_ = lowest_score(head);
  key_panel_stride_ = kernels::pack_transposed(select(head.keys(), keys), packed_keys_.data());
  calm_ = is_calm(packed_keys_.data(), round_up(keys.count, panel_) * head_dim_);
  values_.pack(select(head.values(), keys));
}

void KeyTile::score(const float* queries, std::int64_t rows, const Range& columns, float* scores,
                    std::int64_t stride, bool queries_are_calm) const {
  const float* packed = packed_keys_.data() + columns.begin / panel_ * key_panel_stride_;
  const kernels::RightMatrix keys{packed, key_panel_stride_, panel_};
  const std::int64_t count = columns.end - columns.begin;
  kernels::gemm({queries, head_dim_, 1}, keys, rows, count, head_dim_, scores, stride, false);
  const Products products{scores, stride, rows, count, queries, head_dim_};
  mend_overflows(products, find_overflows(products, keys, calm_, queries_are_calm), lowest_);
}

void KeyTile::multiply_values(const float* weights, std::int64_t stride, std::int64_t rows,
                              const Range& columns, float* out, std::int64_t out_stride,
                              bool accumulate) const {
  kernels::gemm({weights, stride, 1}, values_.from(columns.begin), rows, values_.width(),
                columns.end - columns.begin, out, out_stride, accumulate);
}

}  // namespace subquad
