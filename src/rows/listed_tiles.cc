#include "rows/listed_tiles.h"

#include <algorithm>
#include <cmath>

#include "core/round_up.h"

namespace subquad {
namespace {

constexpr float kLargestBias = 512;  // scores keep their limit, nearly

bool same_list(const IndexList& a, const IndexList& b) {
  return a.ids == b.ids && a.first == b.first && a.count == b.count;
}

}  // namespace

void ListedTiles::pack(const HeadProblem& head, const IndexList& keys, const float* bias,
                       bool one_weight) {
  keys_ = keys;
  bias_ = bias;
  const std::int64_t places = round_up(keys.count, kernels::kStepKeys);
  store_.reserve(head, places);
  is_wild_.assign(static_cast<std::size_t>(places), 0);
  for (std::int64_t place = 0; place < places; place += kernels::kTileDepth) {
    const std::int64_t count = std::clamp<std::int64_t>(keys.count - place, 0, kernels::kTileDepth);
    store_.pack(place, load_half_step(head, keys.slice(place, count), kLargestFiniteBf16,
                                      &is_wild_[static_cast<std::size_t>(place)]));
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
  TiledKeys tiles = store_.view(keys_);
  if (same_bias_)
    tiles.shift = *bias_;
  else
    tiles.bias = bias_;
  tiles.wild = wild_;
  return tiles;
}

}  // namespace subquad
