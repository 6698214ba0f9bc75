#include "heavy/window.h"

#include <algorithm>

namespace subquad {
namespace {

class WindowSet final : public HeavySet {
 public:
  WindowSet(const HeadProblem& head, std::int64_t width) : head_(head), outside_(*this) {
    const bool causal = head.problem->causal != Causal::none;
    before_ = causal ? width - 1 : width / 2;
    after_ = causal ? 0 : (width - 1) / 2;
    // Short groups waste less on the corners of the band, long ones less on packing.
    const std::int64_t largest = row_block_size(head.head_dim(), head.value_dim());
    const std::int64_t step = std::clamp<std::int64_t>(width / 2 * head.group, 24, largest);
    for (std::int64_t begin = 0; begin < head.num_rows(); begin += step)
      groups_.push_back(index_range(begin, std::min(begin + step, head.num_rows())));
  }

  std::span<const IndexList> row_groups() const override { return groups_; }

  void add_to(RowBlock& rows, std::int64_t, const EntrySets& taken,
              TileScratch& scratch) const override {
    const IndexList& list = rows.rows();
    const Range first = band(list[0]), last = band(list[list.count - 1]);
    EntrySets left_out = taken;
    left_out.push_back(&outside_);
    attend_keys(head_, rows, index_range(first.begin, std::max(first.begin, last.end)), left_out,
                scratch);
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      mask_keys_inside(keys, band(rows[r]), scores + r * stride);
  }

 private:
  // The complement: the corners of a group's tile that lie outside the band.
  class Outside final : public EntrySet {
   public:
    explicit Outside(const WindowSet& window) : window_(window) {}
    void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
                FilterScratch&) const override {
      for (std::int64_t r = 0; r < rows.count; ++r)
        mask_keys_outside(keys, window_.band(rows[r]), scores + r * stride);
    }

   private:
    const WindowSet& window_;
  };

  Range band(std::int64_t row) const {
    const std::int64_t diagonal = head_.diagonal(row);
    const std::int64_t begin = std::clamp<std::int64_t>(diagonal - before_, 0, head_.num_keys);
    return {begin, std::clamp<std::int64_t>(diagonal + after_ + 1, begin, head_.num_keys)};
  }

  const HeadProblem& head_;
  std::int64_t before_ = 0, after_ = 0;
  std::vector<IndexList> groups_;
  Outside outside_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_window_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t width = reader.integer("w", 256, 1, std::int64_t{1} << 30);
  reader.finish();
  return std::make_unique<SizedRule<WindowSet>>(width);
}

}  // namespace subquad
