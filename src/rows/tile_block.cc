#include "rows/tile_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/round_up.h"
#include "kernels/filter.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/tile_keys.h"
#include "rows/tile_rows.h"

namespace subquad {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kSumLanes, kernels::kTileRows;

constexpr float kMasked = -std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kHeadroom = 8;                                // octaves that scores may grow by
constexpr float kNothingSeen = -kLargestTileScore - 0x1p10f;  // m before the first score
constexpr std::int64_t kBlockBytes = 1 << 18;  // keys and values that all panels meet first

// Of at most 2^20 in size.
float next_whole(float x) {
  const auto whole = static_cast<float>(static_cast<std::int32_t>(x));
  return whole < x ? whole + 1 : whole;
}

}  // namespace

TileBlock::TileBlock(const kernels::TileEngine& engine, std::int64_t head_dim,
                     std::int64_t value_dim, std::int64_t capacity, int order)
    : engine_(engine),
      split_query_(head_dim, order + 1, 1),
      depth_(kernels::tiles_along(head_dim)),
      columns_(2 * kernels::tiles_along(value_dim)),
      most_pending_(order > 0 ? 8 : 16),  // 32 KB or so of weights
      block_keys_(std::max<std::int64_t>(
          kBlockBytes / ((order + 1) * (64 * depth_ + 32 * columns_)) / 512 * 512, 512)),
      queries_((order + 1) * round_up(capacity, kPanelRows) / kTileRows * depth_),
      weights_(2 * most_pending_ * (order + 1)),
      scores_(kPanelRows * kStepKeys),
      offsets_(round_up(capacity, kPanelRows)),
      sums_{Scratch<float>(round_up(capacity, kPanelRows) * kSumLanes),
            Scratch<float>(round_up(capacity, kPanelRows) * kSumLanes)},
      out_(round_up(capacity, kPanelRows), value_dim) {}

Partial TileBlock::attend(const TiledKeys& tiles, const IndexList& rows, const Range& places,
                          const SplitOrder& order, const EntrySets& left_out, Sums wanted) {
  tiles_ = tiles;
  order_ = order;
  left_out_ = &left_out;
  wanted_ = wanted;
  load(rows, left_out);
  const Range all{std::max<std::int64_t>(places.begin, 0), std::min(places.end, tiles.keys.count)};
  {
    const kernels::TileScope scope(engine_);
    for (std::int64_t begin = all.begin; begin < all.end; begin += block_keys_)
      for (std::size_t p = 0; p < panels_.size(); ++p)
        attend_panel(static_cast<std::int64_t>(p), {begin, std::min(begin + block_keys_, all.end)});
  }
  finish(rows.count);
  return partial_.slice(0, rows.count);
}

void TileBlock::load(const IndexList& rows, const EntrySets& left_out) {
  const std::int64_t padded = round_up(rows.count, kPanelRows);
  const HeadProblem& head = *tiles_.head;
  load_units();
  load_products();
  if (order_.splits()) error_.load(head, order_, rows.count);
  partial_ = out_.view(padded);
  set_identity(partial_);
  std::fill_n(partial_.m, padded, kNothingSeen);
  std::fill_n(offsets_.data(), padded, offset_of(kNothingSeen));
  std::fill_n(sums_[0].data(), padded * kSumLanes, 0.0f);
  refused_.assign(static_cast<std::size_t>(padded), 0);
  low_.assign(static_cast<std::size_t>(padded), 0);
  std::fill_n(queries_.data(), padded / kTileRows * query_pieces() * depth_, kernels::Tile{});
  for (std::int64_t i = 0; i < rows.count; ++i) load_row(rows[i], i);
  panels_.clear();
  for (std::int64_t i = 0; i < rows.count; i += kPanelRows) {
    const IndexList panel = rows.slice(i, std::min(kPanelRows, rows.count - i));
    panels_.push_back({panel, panel_places(head, panel, tiles_.keys, left_out)});
    if (logits_) panels_.back().places.inside = {};
  }
}

void TileBlock::load_units() {
  const HeadProblem& head = *tiles_.head;
  logits_ = tiles_.bias != nullptr || head.problem->mask.kind == MaskKind::additive;
  octave_ = order_.splits() ? 1 : kernels::kOctave;
  factor_ = logits_ ? octave_ : octave_ * head.scale_log2;
}

void TileBlock::load_products() {
  const int order = order_.order;
  const int query = pieces_of(tiles_.head->problem->query.dtype, order);
  score_products_ = kernels::piece_products(query, tiles_.pieces.key, order);
  value_products_ = kernels::piece_products(order + 1, tiles_.pieces.value, order);
}

// Of a row whose weights are 2^(score - m).
float TileBlock::offset_of(float m) const {
  return order_.splits() ? -m : kernels::weight_offset(m);
}

void TileBlock::load_row(std::int64_t row, std::int64_t position) {
  if (order_.splits()) return split_row(row, position);
  const HeadProblem& head = *tiles_.head;
  const auto* query = static_cast<const std::uint16_t*>(head.row_in(head.problem->query, row));
  if (fits_tiles(query, head.head_dim(), head.scale_log2))
    kernels::pack_query_row(query, head.head_dim(), position % kTileRows,
                            &queries_[position / kTileRows * depth_]);
  else
    refused_[static_cast<std::size_t>(position)] = 1;
}

void TileBlock::split_row(std::int64_t row, std::int64_t position) {
  const HeadProblem& head = *tiles_.head;
  const TensorView& query = head.problem->query;
  const PieceNorms norms = split_query_.load(head.row_in(query, row), query.dtype, 0);
  if (!(norms.whole <= kLargestSplitNorm &&
        norms.whole * std::abs(head.scale_log2) <= kLargestTileQuery)) {
    refused_[static_cast<std::size_t>(position)] = 1;
    return;
  }
  error_.set_query(position, norms);
  for (int p = 0; p < query_pieces(); ++p)
    kernels::pack_query_row(split_query_.piece(0, p), head.head_dim(), position % kTileRows,
                            &queries_[(position / kTileRows * query_pieces() + p) * depth_]);
}

void TileBlock::score(std::int64_t index, std::int64_t place) {
  const kernels::Tile* queries = &queries_[index * 2 * query_pieces() * depth_];
  if (order_.splits())
    engine_.split_scores(
        {queries, tiles_.keys_from(place), depth_, score_products_, scores_.data()});
  else
    engine_.scores(queries, tiles_.keys_from(place), depth_, scores_.data());
}

void TileBlock::note_norms(std::int64_t index, std::int64_t place, bool hidden) {
  const StepNorms& step = tiles_.norms[place / kStepKeys];
  if (hidden)
    error_.meet_seen(index, step, scores_.data());
  else
    error_.meet(index, step);
}

// Rows whose error may be above the tolerance.
void TileBlock::refuse_inexact(std::int64_t index) {
  for (std::int64_t r = 0; r < panels_[static_cast<std::size_t>(index)].rows.count; ++r) {
    const std::int64_t row = index * kPanelRows + r;
    if (!(error_.of(row).relative <= order_.tolerance)) refused_[static_cast<std::size_t>(row)] = 1;
  }
}

bool TileBlock::all_refused(std::int64_t index) const {
  const auto first = refused_.begin() + index * kPanelRows;
  return std::all_of(first, first + panels_[static_cast<std::size_t>(index)].rows.count,
                     [](std::uint8_t refused) { return refused != 0; });
}

void TileBlock::attend_panel(std::int64_t index, const Range& places) {
  const Panel& panel = panels_[static_cast<std::size_t>(index)];
  if (order_.splits() && all_refused(index)) return;
  const auto [seen, inside] = panel.places;
  const Range met{std::max(places.begin, seen.begin / kStepKeys * kStepKeys),
                  std::min(places.end, seen.end)};
  pending_ = 0;
  for (std::int64_t place = met.begin; place < met.end; place += kStepKeys) {
    score(index, place);
    if (pending_ == most_pending_) multiply_pending(index);
    const bool hidden = place < inside.begin || place + kStepKeys > inside.end;
    if (hidden) hide(index, place);
    if (!tiles_.wild.empty()) refuse_wild(index, place);
    if (order_.splits()) note_norms(index, place, hidden);
    weigh(index, place);
    entries_ += panel.rows.count * (std::min(place + kStepKeys, met.end) - place);
  }
  multiply_pending(index);
  if (order_.tolerance > 0) refuse_inexact(index);
}

// Scores become weights, which wait for their values.
void TileBlock::weigh(std::int64_t index, std::int64_t place) {
  if (weigh_step(index)) {
    multiply_pending(index);  // before m rises
    raise(index);
    weigh_step(index);
  }
  if (pending_ == 0) pending_place_ = place;
  pending_ += kStepKeys / kernels::kTileDepth;
  panels_[static_cast<std::size_t>(index)].side ^= 1;
}

// Returns whether a weight is too large.
bool TileBlock::weigh_step(std::int64_t index) {
  const int side = panels_[static_cast<std::size_t>(index)].side;
  if (order_.splits())
    return engine_.split_weights({scores_.data(), factor_, &offsets_[index * kPanelRows],
                                  order_.order + 1, &weights_[pending_], most_pending_,
                                  sums(index, side), sums(index, side ^ 1)});
  return engine_.weights({scores_.data(), factor_, &offsets_[index * kPanelRows],
                          &weights_[pending_], most_pending_, sums(index, side),
                          sums(index, side ^ 1)});
}

void TileBlock::multiply_pending(std::int64_t index) {
  if (pending_ > 0 && wanted_ != Sums::weights) {
    float* out = partial_.o + index * kPanelRows * partial_.o_stride;
    const kernels::Tile* values = tiles_.values_from(pending_place_);
    if (order_.splits())
      engine_.split_values({weights_.data(), most_pending_, pending_, values, columns_,
                            value_products_, out, partial_.o_stride});
    else
      engine_.values(
          {weights_.data(), most_pending_, pending_, values, columns_, out, partial_.o_stride});
  }
  pending_ = 0;
}

// Masks on the step's scores, and what is left out.
void TileBlock::hide(std::int64_t index, std::int64_t place) {
  const HeadProblem& head = *tiles_.head;
  const IndexList& rows = panels_[static_cast<std::size_t>(index)].rows;
  const std::int64_t count = std::min(kStepKeys, tiles_.keys.count - place);
  float* scores = scores_.data();
  if (logits_) kernels::scale_scores(scores, head.scale_log2, rows.count * kStepKeys);
  filter_scores(head, rows, tiles_.keys, {place, place + count}, tiles_.bias, *left_out_, scores,
                kStepKeys, filter_);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    std::fill(scores + r * kStepKeys + count, scores + (r + 1) * kStepKeys, kMasked);
    if (head.problem->mask.kind == MaskKind::additive)
      check_scores(index * kPanelRows + r, scores + r * kStepKeys);
  }
}

// Rows that see a wild key of the step.
void TileBlock::refuse_wild(std::int64_t index, std::int64_t place) {
  const std::int64_t rows = panels_[static_cast<std::size_t>(index)].rows.count;
  auto wild = std::lower_bound(tiles_.wild.begin(), tiles_.wild.end(), place);
  for (; wild != tiles_.wild.end() && *wild < place + kStepKeys; ++wild)
    for (std::int64_t r = 0; r < rows; ++r) {
      float& score = scores_[r * kStepKeys + *wild - place];
      if (score == kMasked) continue;
      refused_[static_cast<std::size_t>(index * kPanelRows + r)] = 1;
      score = kMasked;
    }
}

// What an additive mask may bring about: NaN, and finite scores beyond the limit.
void TileBlock::check_scores(std::int64_t position, float* scores) {
  const auto row = static_cast<std::size_t>(position);
  for (std::int64_t c = 0; c < kStepKeys; ++c) {
    const bool fits = std::abs(scores[c]) <= kLargestTileScore;
    if (fits || scores[c] == kMasked) continue;
    if (scores[c] < 0)
      low_[row] = 1;
    else
      refused_[row] = 1;
    scores[c] = kMasked;
  }
}

// Raises m where a weight is too large.
void TileBlock::raise(std::int64_t index) {
  const float sign = factor_ < 0 ? -1.0f : 1.0f;
  float tops[kPanelRows];
  kernels::step_tops(scores_.data(), sign, tops);
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    if (tops[r] != kMasked) raise_row(index * kPanelRows + r, sign * tops[r]);
}

void TileBlock::raise_row(std::int64_t position, float score) {
  const float units = std::fma(score, factor_, offsets_[position]);
  if (order_.splits() ? !(units >= 1) : !(units > 65534.5f)) return;  // it rounds to the largest
  const float old_m = partial_.m[position];
  const float m = next_whole(score * factor_ / octave_) + kHeadroom;
  partial_.m[position] = m;
  offsets_[position] = offset_of(m);
  if (old_m == kNothingSeen) return;  // its sums are zero
  const float shrink = std::exp2(old_m - m);
  float* o = partial_.o + position * partial_.o_stride;
  for (std::int64_t c = 0; c < partial_.o_stride; ++c) o[c] *= shrink;
  const int side = panels_[static_cast<std::size_t>(position / kPanelRows)].side;
  float* sum = sums(0, side) + position * kSumLanes;
  for (std::int64_t i = 0; i < kSumLanes; ++i) sum[i] *= shrink;
}

void TileBlock::finish(std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const int side = panels_[row / kPanelRows].side;
    const float* sum = sums(0, side) + i * kSumLanes;
    float l = 0;
    for (std::int64_t lane = 0; lane < kSumLanes; ++lane) l += sum[lane];
    partial_.l[i] = l;
    const bool nothing = partial_.m[i] == kNothingSeen;
    partial_.m[i] = nothing ? kMasked : partial_.m[i] + tiles_.shift;
    if (refused_[row] != 0 || (nothing && low_[row] != 0)) partial_.m[i] = kNaN;
  }
}

}  // namespace subquad
