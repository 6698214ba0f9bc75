#include "exact/row_items.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace subquad {
namespace {

constexpr std::int64_t kEnoughItems = 8;  // below this many work items, keys are split
constexpr std::int64_t kMinSplitKeys = 4096;

std::int64_t work_of(const RowItem& item) {
  return item.rows.count * (item.keys.end - item.keys.begin);
}

bool has_more_work(const RowItem& a, const RowItem& b) { return work_of(a) > work_of(b); }

}  // namespace

void sort_by_work(std::vector<RowItem>& items) {
  std::stable_sort(items.begin(), items.end(), has_more_work);
}

void group_by_head(std::vector<RowItem>& items) {
  std::stable_sort(items.begin(), items.end(), [](const RowItem& a, const RowItem& b) {
    return std::less<>()(a.head, b.head);
  });
  std::stable_sort(items.end() - std::ssize(items) / 4, items.end(), has_more_work);
}

std::int64_t count_splits(std::span<const RowItem> items) {
  const auto count = static_cast<std::int64_t>(items.size());
  if (count >= kEnoughItems) return 1;
  const Range& longest = items.front().keys;
  const std::int64_t by_length = (longest.end - longest.begin) / kMinSplitKeys;
  return std::clamp<std::int64_t>(by_length, 1, (kEnoughItems + count - 1) / count);
}

Range split_range(const RowItem& item, std::int64_t split, std::int64_t splits, std::int64_t tile) {
  const std::int64_t first = item.keys.begin / tile, last = (item.keys.end + tile - 1) / tile;
  const auto cut = [&](std::int64_t s) { return (first + (last - first) * s / splits) * tile; };
  return {std::max(cut(split), item.keys.begin), std::min(cut(split + 1), item.keys.end)};
}

}  // namespace subquad
