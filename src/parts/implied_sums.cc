#include "parts/implied_sums.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/backward_panels.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kMostBlock = 12;  // rows of a register block of any instruction set

// l[r] += the sum of a row of weights, of the values from value `first` on. Those of wild values
// join last, as the values do (multiply_seen). Rows take turns: a sum of floats waits for itself.
void add_weights(const float* weights, std::int64_t stride, const RowPanels& values,
                 std::int64_t first, std::int64_t columns, const Partial& sums) {
  float sum[kMostBlock] = {};
  const auto begin = std::lower_bound(values.wild().begin(), values.wild().end(), first);
  const auto end = std::lower_bound(begin, values.wild().end(), first + columns);
  auto wild = begin;
  for (std::int64_t c = 0; c < columns; ++c) {
    if (wild != end && *wild == first + c) {
      ++wild;
      continue;
    }
    for (std::int64_t r = 0; r < sums.rows; ++r) sum[r] += weights[r * stride + c];
  }
  for (std::int64_t r = 0; r < sums.rows; ++r) {
    sums.l[r] += sum[r];
    for (auto at = begin; at != end; ++at) sums.l[r] += weights[r * stride + *at - first];
  }
}

std::int64_t tiles_of(const KeyRun& run, std::int64_t tile_keys) {
  return run.tiles.empty() ? (run.keys.count + tile_keys - 1) / tile_keys : std::ssize(run.tiles);
}

IndexList keys_of(const KeyRun& run, std::int64_t tile, std::int64_t tile_keys) {
  if (!run.tiles.empty()) return run.tiles[static_cast<std::size_t>(tile)].keys();
  return run.keys.slice(tile * tile_keys, std::min(tile_keys, run.keys.count - tile * tile_keys));
}

}  // namespace

ImpliedSums::ImpliedSums(const HeadProblem& head, std::unique_ptr<ImpliedEntries> entries)
    : head_(head),
      entries_(std::move(entries)),
      tile_keys_(key_tile_size(head.head_dim(), head.value_dim())),
      values_(head.value_dim(), tile_keys_),
      sums_(entries_->most_rows(), head.value_dim() + 1),
      few_(1, head.value_dim()) {}

void ImpliedSums::add(const RunEntries& entries, float sign, float log2_factor, RowBlock& rows,
                      ScorePanel& panel) {
  const std::int64_t size = panel.stride() * kernels::blocking().rows;
  if (marks_.size() < size) marks_ = Scratch<float>(size);
  if (entries.most < entries_->few_entries())
    return add_few(entries, sign, log2_factor, rows, panel);
  const Range& all = entries.run.rows;
  entries_->open_run(entries.run.keys);
  for (std::int64_t begin = all.begin; begin < all.end; begin += entries_->most_rows()) {
    const Range part{begin, std::min(begin + entries_->most_rows(), all.end)};
    const Partial sums = sums_.view(part.end - part.begin);
    add_rows(entries, part, rows, panel);
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      sums.o[r * sums.o_stride + head_.value_dim()] = sums.l[r];
      sums.m[r] += log2_factor;
    }
    merge_signed(rows.partial().slice(part.begin, sums.rows), sums, sign);
  }
}

// sums_ become those of rows `part`.
void ImpliedSums::add_rows(const RunEntries& entries, const Range& part, RowBlock& rows,
                           ScorePanel& panel) {
  const std::int64_t step = kernels::blocking().rows, stride = panel.stride();
  const Partial sums = sums_.view(part.end - part.begin);
  set_identity(sums);
  entries_->load_rows(rows, part, sums.m);
  for (std::int64_t tile = 0; tile < tiles_of(entries.run, tile_keys_); ++tile) {
    const IndexList keys = keys_of(entries.run, tile, tile_keys_);
    const RowPanels* values = nullptr;  // until an entry is met
    for (std::int64_t begin = part.begin; begin < part.end; begin += step) {
      const Range block{begin, std::min(begin + step, part.end)};
      const Range columns = entries.mark(block, keys, marks_.data(), stride);
      if (columns.empty()) continue;
      if (values == nullptr) values = &load(entries.run, tile, keys);
      const std::int64_t width = columns.end - columns.begin;
      entries_->weigh({block, keys.slice(columns.begin, width), marks_.data(), stride},
                      columns.begin, panel.data());
      const Partial to = sums.slice(begin - part.begin, block.end - block.begin);
      multiply_seen({{panel.data(), stride, 1}, panel.data()}, *values, columns.begin, to.rows,
                    width, to.o, to.o_stride, true);
      add_weights(panel.data(), stride, *values, columns.begin, width, to);
    }
  }
  entries_->finish_rows(sums);
}

const RowPanels& ImpliedSums::load(const KeyRun& run, std::int64_t tile, const IndexList& keys) {
  entries_->load_keys(keys);
  if (!run.tiles.empty()) return run.tiles[static_cast<std::size_t>(tile)].values();
  values_.pack(select_rows(head_.values(), keys));
  return values_;
}

// Each entry joins its row by itself.
void ImpliedSums::add_few(const RunEntries& entries, float sign, float log2_factor, RowBlock& rows,
                          ScorePanel& panel) {
  const std::int64_t step = kernels::blocking().rows, stride = panel.stride();
  for (std::int64_t tile = 0; tile < tiles_of(entries.run, tile_keys_); ++tile) {
    const IndexList keys = keys_of(entries.run, tile, tile_keys_);
    for (std::int64_t begin = entries.run.rows.begin; begin < entries.run.rows.end; begin += step) {
      const Range block{begin, std::min(begin + step, entries.run.rows.end)};
      const Range columns = entries.mark(block, keys, marks_.data(), stride);
      if (columns.empty()) continue;
      const IndexList some = keys.slice(columns.begin, columns.end - columns.begin);
      for (std::int64_t r = block.begin; r < block.end; ++r) {
        float* marks = marks_.data() + (r - begin) * stride;
        entries_->weigh_few(rows, r, some, log2_factor, marks);
        join_few(some, marks, sign, rows.partial().slice(r, 1));
      }
    }
  }
}

void ImpliedSums::join_few(const IndexList& keys, const float* logits, float sign,
                           const Partial& row) {
  const Partial share = few_.view(1);
  for (std::int64_t k = 0; k < keys.count; ++k) {
    if (logits[k] == kAbsent) continue;
    share.m[0] = logits[k];
    share.l[0] = sign;
    kernels::load_rows(head_.values().slice(keys[k], 1), sign, share.o, head_.value_dim(),
                       head_.value_dim());
    merge_into(row, share);
  }
}

}  // namespace subquad
