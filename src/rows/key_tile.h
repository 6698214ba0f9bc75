// A tile of keys and values, packed: the one place where the forward's keys, scores and values meet
// the matrix kernels.
//
// Whoever holds a tile asks it for scores and for products with its values, and never sees how it
// is packed. What a tile is packed as is its TileType, by the problem's storage types and the
// machine; another engine (bf16 on matrix units) is another type here and another body behind these
// calls.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_panels.h"

namespace subquad {

enum class TileType : std::uint8_t { f32 };  // panels of f32, whatever the tensors' type

// What stands for a score below all floats: the lowest of them, which loses against every other. A
// finite mask that is added would make it -inf, a hidden key: NaN there, and the row ends in
// double.
float lowest_score(const HeadProblem& head);

class KeyTile {
 public:
  KeyTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Packs the listed keys and their values. `bias` (count floats, may be nullptr) is added to the
  // base-2 logits: log2 weights of samples. `keys` and `bias` must stay alive while the tile is
  // used. O(count * (head_dim + value_dim)).
  void pack(const HeadProblem& head, const IndexList& keys, const float* bias = nullptr);

  TileType type() const { return TileType::f32; }
  const IndexList& keys() const { return keys_; }
  const float* bias() const { return bias_; }
  std::int64_t value_dim() const { return values_.width(); }

  // scores[r * stride + c] = query r . key columns.begin + c; queries one after the other, f32.
  // Finite for finite queries and keys, or, where float32 cannot hold them, as lowest_score() and
  // +inf.
  // columns.begin is a multiple of the panel width; room for whole vectors of columns.
  // queries_are_calm: known to be (rows/overflows.h).
  void score(const float* queries, std::int64_t rows, const Range& columns, float* scores,
             std::int64_t stride, bool queries_are_calm = false) const;
  // out[r * out_stride + d] (+)= sum of weights[r * stride + c] * value columns.begin + c [d], but
  // for wild values; room for whole vectors of channels.
  void multiply_values(const float* weights, std::int64_t stride, std::int64_t rows,
                       const Range& columns, float* out, std::int64_t out_stride,
                       bool accumulate) const;
  // The values, and those of them with an Inf or NaN (wild), which the packed copy leaves out.
  const RowPanels& values() const { return values_; }

 private:
  std::int64_t head_dim_, panel_;
  IndexList keys_;
  const float* bias_ = nullptr;
  float lowest_ = 0;  // score
  Scratch<float> packed_keys_;
  std::int64_t key_panel_stride_ = 0;
  bool calm_ = false;  // the packed keys (overflows.h)
  RowPanels values_;
};

}  // namespace subquad
