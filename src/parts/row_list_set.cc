#include "parts/row_list_set.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

// An ascending list as a set: a small table tells most elements that are not in it.
class ListFilter {
 public:
  explicit ListFilter(std::span<const std::int32_t> list) : list_(list) {
    for (const std::int32_t element : list) table_[slot(element)] = 1;
  }
  std::uint8_t may_hold(std::int32_t element) const { return table_[slot(element)]; }
  bool holds(std::int32_t element) const {
    return std::binary_search(list_.begin(), list_.end(), element);
  }

 private:
  static constexpr std::uint32_t kSlots = 4096;
  static std::size_t slot(std::int32_t element) {
    return static_cast<std::uint32_t>(element) % kSlots;
  }

  std::span<const std::int32_t> list_;
  std::array<std::uint8_t, kSlots> table_{};
};

// The c in `range` whose element_at(c) is in the list. The first pass has no branch to mispredict.
template <typename ElementAt>
void find_held(std::span<const std::int32_t> list, const Range& range, const ElementAt& element_at,
               std::vector<std::int32_t>& columns) {
  const ListFilter filter(list);
  columns.resize(static_cast<std::size_t>(range.end - range.begin));
  std::size_t found = 0;
  for (std::int64_t c = range.begin; c < range.end; ++c) {
    columns[found] = static_cast<std::int32_t>(c);
    found += filter.may_hold(element_at(c));
  }
  columns.resize(found);
  std::erase_if(columns, [&](std::int32_t c) { return !filter.holds(element_at(c)); });
}

// The elements from `low` to `high`, both included.
std::span<const std::int32_t> between(std::span<const std::int32_t> list, std::int64_t low,
                                      std::int64_t high) {
  const auto first = std::lower_bound(list.begin(), list.end(), low);
  return {first, std::upper_bound(first, list.end(), high)};
}

}  // namespace

RowListSet::RowListSet(const HeadProblem& head, RowLists lists, const ListLayout& layout)
    : head_(head),
      layout_(layout),
      owned_(std::move(lists)),
      offsets_(owned_.offsets),
      keys_(owned_.keys) {
  if (row_order() == RowOrder::own) group_by_head();
}

RowListSet::RowListSet(const HeadProblem& head, std::span<const std::int64_t> offsets,
                       std::span<const std::int32_t> keys, const ListLayout& layout)
    : head_(head), layout_(layout), offsets_(offsets), keys_(keys) {
  if (row_order() == RowOrder::own) group_by_head();
}

RowOrder RowListSet::row_order() const {
  if (layout_.query_block == 1) return RowOrder::any;
  return layout_.head_step != 0 && head_.group > 1 ? RowOrder::own : RowOrder::positions;
}

// The rows of a block of one head are head_.group apart.
void RowListSet::group_by_head() {
  const std::int64_t largest = row_block_size(head_.head_dim(), head_.value_dim());
  row_ids_.reserve(static_cast<std::size_t>(head_.num_rows()));
  for (std::int64_t g = 0; g < head_.group; ++g)
    for (std::int64_t begin = 0, end = 0; begin < head_.query_len; begin = end) {
      const std::int64_t block_end = (begin / layout_.query_block + 1) * layout_.query_block;
      end = std::min({begin + largest, block_end, head_.query_len});
      groups_.push_back({row_ids_.data() + row_ids_.size(), 0, end - begin, true});
      for (std::int64_t position = begin; position < end; ++position)
        row_ids_.push_back(static_cast<std::int32_t>(position * head_.group + g));
    }
}

std::int64_t RowListSet::list_of(std::int64_t row) const {
  const std::int64_t position = row / head_.group, g = row - position * head_.group;
  const std::int64_t block = layout_.query_block == 1 ? position : position / layout_.query_block;
  return layout_.first + block * layout_.block_step + g * layout_.head_step;
}

RowListSet::List RowListSet::elements(std::int64_t list) const {
  const auto i = static_cast<std::size_t>(list);
  return keys_.subspan(static_cast<std::size_t>(offsets_[i]),
                       static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]));
}

Range RowListSet::span_of(std::int32_t first, std::int32_t last) const {
  return {first * layout_.key_block,
          std::min((last + std::int64_t{1}) * layout_.key_block, head_.num_keys)};
}

IndexList RowListSet::keys_of(List list, RunList& runs) const {
  if (list.empty()) return {};
  const auto count = static_cast<std::int64_t>(list.size());
  const Range whole = span_of(list.front(), list.back());
  if (list.back() - list.front() + std::int64_t{1} == count)
    return index_range(whole.begin, whole.end);
  if (layout_.key_block == 1) return {list.data(), 0, count, true};
  std::vector<std::int32_t>& ids = runs.new_ids();
  for (const std::int32_t block : list) {
    const Range keys = span_of(block, block);
    for (std::int64_t key = keys.begin; key < keys.end; ++key)
      ids.push_back(static_cast<std::int32_t>(key));
  }
  return {ids.data(), 0, static_cast<std::int64_t>(ids.size()), true};
}

void RowListSet::add_runs(const IndexList& rows, std::int64_t, RunList& runs) const {
  for (std::int64_t begin = 0, end = 0; begin < rows.count; begin = end) {
    const std::int64_t list = list_of(rows[begin]);
    end = begin + 1;
    while (end < rows.count && list_of(rows[end]) == list) ++end;
    const IndexList keys = keys_of(elements(list), runs);
    if (keys.count > 0) runs.add({.rows = {begin, end}, .keys = keys});
  }
}

bool RowListSet::may_meet(const IndexList& rows, const IndexList& keys) const {
  if (keys.count == 0) return false;
  const Range all =
      keys.sorted() ? Range{keys[0], keys[keys.count - 1] + 1} : Range{0, head_.num_keys};
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const List list = elements(list_of(rows[i]));
    if (list.empty()) continue;
    const Range held = span_of(list.front(), list.back());
    if (held.begin < all.end && all.begin < held.end) return true;
  }
  return false;
}

// The columns of a contiguous run of keys that the list holds.
void RowListSet::find_in_range(List list, const IndexList& keys,
                               std::vector<std::int32_t>& columns) const {
  for (const std::int32_t element : list) {
    const Range held = columns_in(keys, span_of(element, element));
    for (std::int64_t c = held.begin; c < held.end; ++c)
      columns.push_back(static_cast<std::int32_t>(c));
  }
}

void RowListSet::find_columns(List list, const IndexList& keys,
                              std::vector<std::int32_t>& columns) const {
  columns.clear();
  if (keys.sorted())
    list = between(list, keys[0] / layout_.key_block, keys[keys.count - 1] / layout_.key_block);
  if (list.empty()) return;
  if (keys.contiguous()) return find_in_range(list, keys, columns);
  const Range held =
      keys.sorted() ? columns_in(keys, span_of(list.front(), list.back())) : Range{0, keys.count};
  const auto size = static_cast<std::int32_t>(layout_.key_block);
  const std::int32_t* ids = keys.ids;
  if (size == 1)
    find_held(
        list, held, [ids](std::int64_t c) { return ids[c]; }, columns);
  else
    find_held(
        list, held, [ids, size](std::int64_t c) { return ids[c] / size; }, columns);
}

void RowListSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                        std::int64_t stride, FilterScratch& scratch) const {
  if (keys.count == 0) return;
  std::vector<std::int32_t>& columns = scratch.labels;
  std::int64_t previous = -1;
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::int64_t list = list_of(rows[r]);
    if (list != previous) find_columns(elements(list), keys, columns);
    previous = list;
    for (const std::int32_t column : columns) scores[r * stride + column] = kMasked;
  }
}

}  // namespace subquad
