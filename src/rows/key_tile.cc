#include "rows/key_tile.h"

namespace subquad {
namespace {

kernels::RowSource select(kernels::RowSource source, const IndexList& list) {
  source.ids = list.ids;
  source.first = list.first;
  source.count = list.count;
  return source;
}

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

KeyTile::KeyTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : panel_(kernels::blocking().panel),
      packed_keys_(round_up(capacity, panel_) * head_dim),
      values_(value_dim, capacity) {}

void KeyTile::pack(const HeadProblem& head, const IndexList& keys, const float* bias) {
  keys_ = keys;
  bias_ = bias;
  key_panel_stride_ = kernels::pack_transposed(select(head.keys(), keys), packed_keys_.data());
  values_.pack(select(head.values(), keys));
}

kernels::RightMatrix KeyTile::keys_from(std::int64_t begin) const {
  return {packed_keys_.data() + begin / panel_ * key_panel_stride_, key_panel_stride_, panel_};
}

}  // namespace subquad
