#include "rows/listed_tiles.h"

#include <algorithm>
#include <cmath>

#include "core/round_up.h"
#include "kernels/tiles/tile_pack.h"

namespace subquad {
namespace {

constexpr float kLargestBias = 512;  // scores keep their limit, nearly

void reserve(Scratch<kernels::Tile>& tiles, std::int64_t count) {
  if (tiles.size() < count) tiles = Scratch<kernels::Tile>(count);
}

bool same_list(const IndexList& a, const IndexList& b) {
  return a.ids == b.ids && a.first == b.first && a.count == b.count;
}

}  // namespace

void ListedTiles::pack(const HeadProblem& head, const IndexList& keys, const float* bias,
                       bool one_weight) {
  head_ = head;
  keys_ = keys;
  bias_ = bias;
  depth_ = kernels::tiles_along(head.head_dim());
  columns_ = 2 * kernels::tiles_along(head.value_dim());
  const std::int64_t places = round_up(keys.count, kernels::kStepKeys);
  reserve(key_tiles_, places / kernels::kTileColumns * depth_);
  reserve(value_tiles_, places / kernels::kTileDepth * columns_);
  is_wild_.assign(static_cast<std::size_t>(places), 0);
  for (std::int64_t place = 0; place < places; place += kernels::kTileDepth) {
    const std::int64_t count = std::clamp<std::int64_t>(keys.count - place, 0, kernels::kTileDepth);
    const HalfStepRows rows = load_half_step(head, keys.slice(place, count), kLargestFiniteBf16,
                                             &is_wild_[static_cast<std::size_t>(place)]);
    kernels::pack_key_columns(rows.keys, head.head_dim(),
                              &key_tiles_[place / kernels::kTileColumns * depth_]);
    kernels::pack_values(rows.values, head.value_dim(), columns_,
                         &value_tiles_[place / kernels::kTileDepth * columns_]);
  }
  same_bias_ = one_weight && bias != nullptr && std::abs(bias[0]) <= kLargestBias &&
               std::all_of(bias, bias + keys.count, [&](float b) { return b == bias[0]; });
  wild_.clear();
  for (std::int64_t place = 0; place < keys.count; ++place) {
    const bool fits = bias == nullptr || std::abs(bias[place]) <= kLargestBias;
    if (is_wild_[static_cast<std::size_t>(place)] != 0 || !fits)
      wild_.push_back(static_cast<std::int32_t>(place));
  }
}

void ListedTiles::keep(const HeadProblem& head, const IndexList& keys, const float* bias,
                       bool one_weight) {
  if (keys_.count == 0 || !same_list(keys, keys_) || bias != bias_)
    pack(head, keys, bias, one_weight);
}

TiledKeys ListedTiles::view() const {
  return {.head = &head_,
          .keys = keys_,
          .bias = same_bias_ ? nullptr : bias_,
          .shift = same_bias_ ? *bias_ : 0.0f,
          .key_tiles = key_tiles_.data(),
          .value_tiles = value_tiles_.data(),
          .depth = depth_,
          .columns = columns_,
          .wild = wild_};
}

}  // namespace subquad
