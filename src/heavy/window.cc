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
  }

  RowOrder row_order() const override { return RowOrder::positions; }

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    const Range keys = band(rows);
    runs.add({.rows = {0, rows.count},
              .keys = index_range(keys.begin, std::max(keys.begin, keys.end)),
              .leave_out = &outside_});
  }

  bool may_meet(const IndexList& rows, const IndexList& keys) const override {
    if (!rows.contiguous() || !keys.sorted() || rows.count == 0) return true;
    return !columns_in(keys, band(rows)).empty();
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
    Range columns_left(const IndexList& rows, const IndexList& keys) const override {
      return columns_in(keys, window_.band(rows));
    }
    void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
                FilterScratch&) const override {
      for (std::int64_t r = 0; r < rows.count; ++r)
        mask_keys_outside(keys, window_.band(rows[r]), scores + r * stride);
    }

   private:
    const WindowSet& window_;
  };

  // The union over rows in order of their position.
  Range band(const IndexList& rows) const {
    return {band(rows[0]).begin, band(rows[rows.count - 1]).end};
  }
  Range band(std::int64_t row) const {
    const std::int64_t diagonal = head_.diagonal(row);
    const std::int64_t begin = std::clamp<std::int64_t>(diagonal - before_, 0, head_.num_keys);
    return {begin, std::clamp<std::int64_t>(diagonal + after_ + 1, begin, head_.num_keys)};
  }

  const HeadProblem& head_;
  std::int64_t before_ = 0, after_ = 0;
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
