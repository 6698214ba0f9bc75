#include "heavy/pattern/given.h"

#include <algorithm>

#include <fmt/format.h>

#include "parts/row_list_set.h"
#include "subquad/error.h"

namespace subquad {
namespace {

std::int64_t blocks_in(std::int64_t length, std::int64_t block) {
  return length / block + (length % block == 0 ? 0 : 1);
}

std::span<const BlockPair> blocks_of_head(const GivenMask& mask, std::int64_t query_head) {
  const auto h = static_cast<std::size_t>(query_head);
  return mask.blocks.subspan(static_cast<std::size_t>(mask.offsets[h]),
                             static_cast<std::size_t>(mask.offsets[h + 1] - mask.offsets[h]));
}

// The pairs. Row block b of head g of the group is g * row_blocks + b; all are of head 0 where the
// heads share the mask.
std::vector<RowKey> entries_of(const HeadProblem& head, const GivenMask& mask,
                               std::int64_t row_blocks) {
  std::vector<RowKey> entries;
  const auto add = [&](std::span<const BlockPair> pairs, std::int64_t first_block) {
    for (const BlockPair& pair : pairs)
      entries.push_back(
          {static_cast<std::int32_t>(first_block + pair.query_block), pair.key_block});
  };
  if (mask.offsets.empty()) add(mask.blocks, 0);
  for (std::int64_t g = 0; g < head.group && !mask.offsets.empty(); ++g)
    add(blocks_of_head(mask, head.kv_head * head.group + g), g * row_blocks);
  return entries;
}

std::unique_ptr<HeavySet> make_block_set(const HeadProblem& head, const GivenMask& mask) {
  const std::int64_t row_blocks = blocks_in(head.query_len, mask.query_block_size);
  const bool shared = mask.offsets.empty();
  std::vector<std::vector<RowKey>> entries{entries_of(head, mask, row_blocks)};
  std::vector<RowKey>& all = entries.front();
  const auto place = [](const RowKey& e) { return std::pair(e.row, e.key); };
  std::sort(all.begin(), all.end(),
            [&](const RowKey& a, const RowKey& b) { return place(a) < place(b); });
  const auto repeated = std::unique(all.begin(), all.end(), [&](const RowKey& a, const RowKey& b) {
    return place(a) == place(b);
  });
  all.erase(repeated, all.end());
  return std::make_unique<RowListSet>(
      head, lists_of(entries, row_blocks * (shared ? 1 : head.group)),
      ListLayout{.query_block = mask.query_block_size,
                 .key_block = std::min(mask.key_block_size, head.num_keys),
                 .head_step = shared ? 0 : row_blocks});
}

std::unique_ptr<HeavySet> make_row_set(const HeadProblem& head, const GivenMask& mask) {
  const auto lists = static_cast<std::int64_t>(mask.offsets.size()) - 1;
  ListLayout layout;
  if (lists != head.query_len) {
    layout.first = head.kv_head * head.group * head.query_len;
    layout.head_step = head.query_len;
  }
  return std::make_unique<RowListSet>(head, mask.offsets, mask.keys, layout);
}

class GivenRule final : public HeavyRule {
 public:
  explicit GivenRule(const GivenMask& mask) : mask_(mask) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    const bool rows = mask_.kind == GivenKind::rows;
    sets.push_back(rows ? make_row_set(head, mask_) : make_block_set(head, mask_));
    return sets;
  }

 private:
  const GivenMask& mask_;
};

}  // namespace

std::int64_t given_index(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t i = reader.integer("i", 0, 0, 1 << 20);
  reader.finish();
  return i;
}

std::unique_ptr<HeavyRule> make_given_rule(const SpecPart& spec, std::span<const GivenMask> given) {
  const std::int64_t i = given_index(spec);
  if (i >= std::ssize(given))
    throw_invalid(fmt::format("spec part '{}': there is no given[{}]; {} masks were given",
                              to_text(spec), i, given.size()));
  return std::make_unique<GivenRule>(given[static_cast<std::size_t>(i)]);
}

}  // namespace subquad
