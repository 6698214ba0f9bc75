#include "heavy/pattern/sink.h"

#include <algorithm>

#include "rows/tile_sizes.h"

namespace subquad {
namespace {

class SinkSet final : public HeavySet {
 public:
  SinkSet(const HeadProblem& head, std::int64_t count) : range_{0, std::min(count, head.num_keys)} {
    const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
    for (std::int64_t begin = 0; begin < range_.end; begin += step) {
      const std::int64_t end = std::min(begin + step, range_.end);
      tiles_.emplace_back(head.head_dim(), head.value_dim(), end - begin)
          .pack(head, index_range(begin, end));
    }
  }

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    runs.add({.rows = {0, rows.count}, .keys = index_range(0, range_.end), .tiles = tiles_});
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      mask_keys_inside(keys, range_, scores + r * stride);
  }

 private:
  Range range_;
  std::vector<KeyTile> tiles_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_sink_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t count = reader.integer("n", 4, 1, std::int64_t{1} << 30);
  reader.finish();
  return make_sink(count);
}

std::unique_ptr<HeavyRule> make_sink(std::int64_t count) {
  return std::make_unique<SizedRule<SinkSet>>(count);
}

}  // namespace subquad
