#include "light/poly/held_entries.h"

#include <algorithm>

#include "core/round_up.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// 0 where `whole` has 1.
void clear_marked(const std::span<const std::uint8_t>& whole, std::vector<std::uint8_t>& held) {
  for (std::size_t i = 0; i < whole.size(); ++i)
    if (whole[i] != 0) held[i] = 0;
}

}  // namespace

HeldEntries::HeldEntries(const HeadProblem& head, const EntrySets& heavy, std::int64_t chunk)
    : rows_(static_cast<std::size_t>(head.num_rows()), 1),
      keys_(static_cast<std::size_t>(head.num_keys), 0),
      chunk_rows_(std::max<std::int64_t>(head.num_rows(), 1)) {
  const VisibleKeys visible(head);
  const IndexList all = visible.all();
  for (std::int64_t i = 0; i < all.count; ++i) keys_[static_cast<std::size_t>(all[i])] = 1;
  for (const EntrySet* set : heavy) leave_out(set->whole());
  if (head.problem->causal != Causal::none)
    chunk_rows_ = round_up(std::max<std::int64_t>(chunk, 1) * head.group,
                           row_block_size(head.head_dim(), head.value_dim()));
  for (std::size_t k = 0; k < keys_.size(); ++k)
    if (keys_[k] != 0) ids_.push_back(static_cast<std::int32_t>(k));
  cut(head);
}

void HeldEntries::leave_out(const WholeEntries& whole) {
  clear_marked(whole.rows, rows_);
  clear_marked(whole.keys, keys_);
}

void HeldEntries::cut(const HeadProblem& head) {
  for (std::int64_t row = 0; row < head.num_rows(); row += chunk_rows_) {
    const bool causal = head.problem->causal != Causal::none;
    ends_.push_back(causal ? head.visible(row).end : head.num_keys);
    before_.push_back(std::lower_bound(ids_.begin(), ids_.end(), ends_.back()) - ids_.begin());
  }
}

IndexList HeldEntries::new_keys(std::int64_t chunk) const {
  const std::int64_t begin = chunk == 0 ? 0 : held_before(chunk - 1);
  return keys().slice(begin, held_before(chunk) - begin);
}

bool HeldEntries::holds_none(const IndexList& rows, const IndexList& keys) const {
  if (rows.count == 0 || keys.count == 0) return true;
  bool any = false;
  std::int64_t end = 0;
  for (std::int64_t r = 0; r < rows.count; ++r)
    if (holds_row(rows[r])) {
      any = true;
      end = std::max(end, key_end(chunk_of(rows[r])));
    }
  for (std::int64_t k = 0; any && k < keys.count; ++k)
    if (keys[k] < end && keys_[static_cast<std::size_t>(keys[k])] != 0) return false;
  return true;
}

}  // namespace subquad
