#include "heavy/pattern/window.h"

#include <algorithm>

namespace subquad {
namespace {

// Keys around the diagonal: so many before it, itself, and so many after it.
class BandSet final : public HeavySet {
 public:
  BandSet(const HeadProblem& head, std::int64_t before, std::int64_t after)
      : head_(head), before_(before), after_(after), outside_(*this) {}

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
    explicit Outside(const BandSet& set) : set_(set) {}
    Range columns_left(const IndexList& rows, const IndexList& keys) const override {
      return columns_in(keys, set_.band(rows));
    }
    void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
                FilterScratch&) const override {
      for (std::int64_t r = 0; r < rows.count; ++r)
        mask_keys_outside(keys, set_.band(rows[r]), scores + r * stride);
    }

   private:
    const BandSet& set_;
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
  std::int64_t before_, after_;
  Outside outside_;
};

class BandRule final : public HeavyRule {
 public:
  BandRule(std::int64_t left, std::int64_t right) : left_(left), right_(right) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<BandSet>(head, left_, right_));
    return sets;
  }

 private:
  std::int64_t left_, right_;
};

// window(w) is band(w / 2, (w - 1) / 2), or band(w - 1, 0) where the problem is causal.
class WindowRule final : public HeavyRule {
 public:
  explicit WindowRule(std::int64_t width) : width_(width) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    const bool causal = head.problem->causal != Causal::none;
    const BandRule band(causal ? width_ - 1 : width_ / 2, causal ? 0 : (width_ - 1) / 2);
    return band.find(head, rng, threads);
  }

 private:
  std::int64_t width_;
};

constexpr std::int64_t kWidest = std::int64_t{1} << 30;

}  // namespace

std::unique_ptr<HeavyRule> make_window_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t width = reader.integer("w", 256, 1, kWidest);
  reader.finish();
  return make_window(width);
}

std::unique_ptr<HeavyRule> make_window(std::int64_t width) {
  return std::make_unique<WindowRule>(width);
}

std::unique_ptr<HeavyRule> make_band_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t left = reader.integer("left", 128, 0, kWidest);
  const std::int64_t right = reader.integer("right", 128, 0, kWidest);
  reader.finish();
  return std::make_unique<BandRule>(left, right);
}

}  // namespace subquad
