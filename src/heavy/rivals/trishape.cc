#include "heavy/rivals/trishape.h"

#include <algorithm>

namespace subquad {
namespace {

struct TriShape {
  std::int64_t sink = 128, recent = 1920, last = 100;
};

class TriShapeSet final : public HeavySet {
 public:
  TriShapeSet(const HeadProblem& head, const TriShape& shape)
      : head_(head),
        sink_(std::min(shape.sink, head.num_keys)),
        before_(is_causal() ? shape.recent - 1 : shape.recent / 2),
        after_(is_causal() ? 0 : (shape.recent - 1) / 2),
        first_dense_(std::max<std::int64_t>(head.query_len - shape.last, 0) * head.group),
        outside_(*this) {}

  RowOrder row_order() const override { return RowOrder::positions; }

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    std::int64_t sparse = 0;
    while (sparse < rows.count && !is_dense(rows[sparse])) ++sparse;
    const Range part{0, sparse};
    if (sparse > 0) {
      const Range near{band(rows[0]).begin, band(rows[sparse - 1]).end};
      runs.add({.rows = part, .keys = index_range(0, sink_)});
      runs.add({.rows = part,
                .keys = index_range(near.begin, std::max(near.begin, near.end)),
                .leave_out = &outside_});
    }
    if (sparse < rows.count)
      runs.add({.rows = {sparse, rows.count}, .keys = index_range(0, head_.num_keys)});
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r) {
      mask_keys_inside(keys, {0, sink_}, scores + r * stride);
      mask_keys_inside(keys, band(rows[r]), scores + r * stride);
    }
  }

 private:
  // The corners of a group's tile beside the band.
  class Outside final : public EntrySet {
   public:
    explicit Outside(const TriShapeSet& set) : set_(set) {}
    void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
                FilterScratch&) const override {
      for (std::int64_t r = 0; r < rows.count; ++r)
        mask_keys_outside(keys, set_.band(rows[r]), scores + r * stride);
    }

   private:
    const TriShapeSet& set_;
  };

  bool is_causal() const { return head_.problem->causal != Causal::none; }
  bool is_dense(std::int64_t row) const { return row >= first_dense_; }

  // The row's keys behind the sink: the latest ones, or all.
  Range band(std::int64_t row) const {
    if (is_dense(row)) return {sink_, head_.num_keys};
    const std::int64_t diagonal = head_.diagonal(row);
    const std::int64_t begin = std::clamp(diagonal - before_, sink_, head_.num_keys);
    return {begin, std::clamp(diagonal + after_ + 1, begin, head_.num_keys)};
  }

  const HeadProblem& head_;
  std::int64_t sink_, before_, after_, first_dense_;
  Outside outside_;
};

class TriShapeRule final : public HeavyRule {
 public:
  explicit TriShapeRule(const TriShape& shape) : shape_(shape) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<TriShapeSet>(head, shape_));
    return sets;
  }

 private:
  TriShape shape_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_trishape_rule(const SpecPart& spec) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  SpecReader reader(spec);
  TriShape shape;
  shape.sink = reader.integer("sink", shape.sink, 0, kMost);
  shape.recent = reader.integer("recent", shape.recent, 1, kMost);
  shape.last = reader.integer("last", shape.last, 0, kMost);
  reader.finish();
  return std::make_unique<TriShapeRule>(shape);
}

}  // namespace subquad
