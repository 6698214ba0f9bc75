// Lists of keys, one for each row: a sparse set of score entries.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace subquad {

// Compressed rows: the keys of row r, ascending, are keys[offsets[r] .. offsets[r + 1]).
struct RowLists {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> keys;

  std::int64_t num_rows() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_entries() const { return static_cast<std::int64_t>(keys.size()); }
  std::span<const std::int32_t> row(std::int64_t r) const {
    const auto i = static_cast<std::size_t>(r);
    return std::span(keys).subspan(static_cast<std::size_t>(offsets[i]),
                                   static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
  }
};

// One entry of the score matrix.
struct RowKey {
  std::int32_t row = 0;
  std::int32_t key = 0;
};

// The lists of `num_rows` rows. Among the entries of one row, keys must come in ascending order.
inline RowLists lists_of(std::span<const std::vector<RowKey>> parts, std::int64_t num_rows) {
  RowLists lists;
  lists.offsets.assign(static_cast<std::size_t>(num_rows) + 1, 0);
  for (const auto& part : parts)
    for (const RowKey& entry : part) ++lists.offsets[static_cast<std::size_t>(entry.row) + 1];
  for (std::size_t r = 1; r < lists.offsets.size(); ++r) lists.offsets[r] += lists.offsets[r - 1];
  lists.keys.resize(static_cast<std::size_t>(lists.offsets.back()));
  std::vector<std::int64_t> next = lists.offsets;
  for (const auto& part : parts)
    for (const RowKey& entry : part)
      lists.keys[static_cast<std::size_t>(next[static_cast<std::size_t>(entry.row)]++)] = entry.key;
  return lists;
}

}  // namespace subquad
