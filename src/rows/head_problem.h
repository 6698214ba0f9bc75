// One key/value head of one sequence: the unit that every method works on.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pack.h"
#include "subquad/problem.h"

namespace subquad {

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool empty() const { return begin >= end; }
};

// The query heads that share a key/value head are stacked, so that they share its packed tiles: row
// r is position r / group of query head kv_head * group + r % group. Neighbouring rows then see
// almost the same keys, whatever the mask.
struct HeadProblem {
  const Problem* problem = nullptr;
  std::int64_t batch = 0;
  std::int64_t kv_head = 0;
  std::int64_t group = 1;
  std::int64_t query_begin = 0;  // of this sequence along the position dimension
  std::int64_t key_begin = 0;
  std::int64_t query_len = 0;
  std::int64_t num_keys = 0;
  float scale_log2 = 0;  // scale * log2(e): scores inside are base-2 logits

  std::int64_t num_rows() const { return query_len * group; }
  std::int64_t head_dim() const { return problem->query.channels(); }
  std::int64_t value_dim() const { return problem->value.channels(); }
  std::int64_t position(std::int64_t row) const { return row / group; }
  std::int64_t query_head(std::int64_t row) const { return kv_head * group + row % group; }

  // The key position that a row stands at: its own position shifted by the problem's alignment.
  std::int64_t diagonal(std::int64_t row) const;
  // Keys that the causal mask and the window leave to a row, as positions in this sequence.
  Range visible(std::int64_t row) const;
  // The union of visible() over rows [begin, end).
  Range visible(std::int64_t begin, std::int64_t end) const;
  bool has_band() const;
  // Element (row, key 0) of the mask, nullptr without one. Elements are bytes or floats, stride 1.
  const void* mask_row(std::int64_t row) const;
  // log2 of the sink's weight, -inf without sinks.
  float sink_log2(std::int64_t row) const;

  kernels::RowSource keys() const;
  kernels::RowSource values() const;
  // Offset of a row in a tensor shaped like the query or the output.
  template <typename View>
  std::int64_t row_offset(const View& view, std::int64_t row) const {
    return view.offset(batch, query_head(row), query_begin + position(row));
  }
  const void* row_in(const TensorView& view, std::int64_t row) const {
    return static_cast<const char*>(view.data) + row_offset(view, row) * size_of(view.dtype);
  }
  void* row_in(const MutableTensorView& view, std::int64_t row) const {
    return static_cast<char*>(view.data) + row_offset(view, row) * size_of(view.dtype);
  }
};

// All of them, in order of sequence, then key/value head.
std::vector<HeadProblem> split_heads(const Problem& problem);

}  // namespace subquad
