#include "exact/key_tile.h"

#include <algorithm>
#include <cmath>

#include "merge/partial.h"

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
    : value_dim_(value_dim),
      capacity_(round_up(capacity, kernels::blocking().panel)),
      panel_(kernels::blocking().panel),
      packed_keys_(capacity_ * head_dim),
      packed_values_(capacity_ * padded_values(value_dim)) {}

void KeyTile::pack(const HeadProblem& head, const IndexList& keys, const float* bias) {
  keys_ = keys;
  bias_ = bias;
  value_source_ = select(head.values(), keys);
  key_panel_stride_ = kernels::pack_transposed(select(head.keys(), keys), packed_keys_.data());
  wild_.clear();
  if (!use_values_in_place()) pack_values();
}

// Plain f32 rows that lie close together serve as they are, when there is nothing to isolate.
bool KeyTile::use_values_in_place() {
  constexpr std::int64_t kCloseRows = 512;  // floats: beyond, rows cost a page each
  const kernels::RowSource& source = value_source_;
  const bool plain = source.dtype == DType::f32 && source.ids == nullptr && source.stride > 0 &&
                     source.stride <= kCloseRows && source.width % kernels::blocking().lanes == 0;
  if (!plain || !kernels::all_finite(source)) return false;
  values_ = {static_cast<const float*>(source.row(0)), panel_, source.stride};
  return true;
}

void KeyTile::pack_values() {
  values_ = {packed_values_.data(), keys_.count * panel_, panel_};
  if (!kernels::pack_rows(value_source_, packed_values_.data(), values_.panel_stride))
    isolate_wild_values();
}

kernels::RightMatrix KeyTile::keys_from(std::int64_t begin) const {
  return {packed_keys_.data() + begin / panel_ * key_panel_stride_, key_panel_stride_, panel_};
}

kernels::RightMatrix KeyTile::values_from(std::int64_t begin) const {
  return {values_.data + begin * values_.depth_stride, values_.panel_stride, values_.depth_stride};
}

void KeyTile::load_value(std::int64_t column, float* out) const {
  kernels::load_rows(value_source_.slice(column, 1), 1.0f, out, value_dim_, value_dim_);
}

void KeyTile::isolate_wild_values() {
  for (std::int64_t j = 0; j < keys_.count; ++j) {
    bool wild = false;
    for (std::int64_t c = 0; c < value_dim_; ++c)
      wild |= !std::isfinite(
          packed_values_[c / panel_ * values_.panel_stride + j * panel_ + c % panel_]);
    if (!wild) continue;
    wild_.push_back(j);
    for (std::int64_t c = 0; c < value_dim_; c += panel_)
      std::fill_n(packed_values_.data() + c / panel_ * values_.panel_stride + j * panel_, panel_,
                  0.0f);
  }
}

}  // namespace subquad
