#include "density/sampled.h"

#include <algorithm>

#include <fmt/format.h>

#include "density/near_cells.h"

namespace subquad {

// A query of the tile on its way.
struct SampledRow {
  std::int64_t query;     // of the tile
  WeightSums slab;        // all points of the slab so far
  std::int64_t seen = 0;  // how many
  double near_sum = 0;
  std::int64_t near = 0, single = 0;  // points that are near, kernel values of a single query
  double edge = 1;
  std::vector<WeightSums> near_slab;    // of each stage: near points in the slab
  std::vector<std::int64_t> near_seen;  // how many
};

namespace {

constexpr double kSingle = 2.5;  // what a kernel value of a single query costs, in those of a tile

// Near points of the row, and which stage of the slab meets them.
void set_near(SampledRow& row, const NearPoints& near, const SlabStages& stages,
              std::int64_t start) {
  const auto size = static_cast<std::size_t>(stages.size() + 1);
  row.near_sum = near.sum;
  row.near = near.count;
  row.single = near.evaluated;
  row.edge = near.edge;
  row.near_slab.assign(size, {});
  row.near_seen.assign(size, 0);
  for (std::size_t i = 0; i < near.positions.size(); ++i) {
    if (near.positions[i] < 0) continue;
    const auto stage = static_cast<std::size_t>(stages.stage_of(near.positions[i], start));
    const double w = double{near.weights[i]};
    row.near_slab[stage].sum += w;
    row.near_slab[stage].squares += w * w;
    ++row.near_seen[stage];
  }
}

void leave_near(SampledRow& row, std::int64_t stage) {
  if (row.near == 0) return;
  const auto s = static_cast<std::size_t>(stage);
  row.slab.sum -= row.near_slab[s].sum;
  row.slab.squares -= row.near_slab[s].squares;
  row.seen -= row.near_seen[s];
}

// The rows that are still sampled, side by side.
class ActiveRows {
 public:
  ActiveRows(const QueryTile& tile, std::int64_t dim)
      : dim_(dim),
        rows_(tile.rows, tile.rows + tile.count * dim),
        norms_(tile.norms, tile.norms + tile.count),
        states_(static_cast<std::size_t>(tile.count)),
        sums_(states_.size()) {
    for (std::size_t r = 0; r < states_.size(); ++r)
      states_[r].query = static_cast<std::int64_t>(r);
  }
  bool empty() const { return states_.empty(); }
  std::vector<SampledRow>& states() { return states_; }

  // All points of these blocks join the rows' slabs.
  void add(TileSums& tiles, const PackedPoints& points, const Range& blocks, std::int64_t count) {
    std::fill(sums_.begin(), sums_.end(), WeightSums{});
    tiles.add({rows_.data(), norms_.data(), static_cast<std::int64_t>(states_.size())}, points,
              blocks, sums_.data());
    for (std::size_t r = 0; r < states_.size(); ++r) {
      states_[r].slab.sum += sums_[r].sum;
      states_[r].slab.squares += sums_[r].squares;
      states_[r].seen += count;
    }
  }
  // Rows for which done(row) leave; the others close up.
  template <typename Done>
  void drop(const Done& done) {
    std::size_t kept = 0;
    for (std::size_t r = 0; r < states_.size(); ++r) {
      if (done(states_[r])) continue;
      if (kept != r) move(r, kept);
      ++kept;
    }
    states_.resize(kept);
  }

 private:
  void move(std::size_t from, std::size_t to) {
    const auto width = static_cast<std::size_t>(dim_);
    std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(from * width), width,
                rows_.begin() + static_cast<std::ptrdiff_t>(to * width));
    norms_[to] = norms_[from];
    states_[to] = std::move(states_[from]);
  }

  std::int64_t dim_;
  std::vector<float> rows_, norms_;
  std::vector<SampledRow> states_;
  std::vector<WeightSums> sums_;
};

// The other points' sample: what the slab holds besides near points.
WeightSample others_of(const SampledRow& row, std::int64_t points, Bars bars) {
  return {{std::max(row.slab.sum, 0.0), std::max(row.slab.squares, 0.0)},
          row.seen,
          points - row.near,
          bars == Bars::normal ? row.edge : 1};
}

DensityEstimate estimate_of(const SampledRow& row, const WeightSample& others, double points,
                            const Interval& interval) {
  const double share = static_cast<double>(others.population) / points;
  const double half = others.population == 0 ? 0 : share * interval.half_width(others);
  return {row.near_sum / points + share * others.mean(), half, row.seen + row.single,
          static_cast<double>(row.seen) + kSingle * static_cast<double>(row.single)};
}

SampledOptions read_options(SpecReader& reader, std::int64_t near) {
  SampledOptions options;
  if (near > 0) options.near = reader.integer("k", near, 1, std::int64_t{1} << 30);
  options.fixed = reader.integer("m", 0, 0, std::int64_t{1} << 30);
  options.bars =
      reader.choice("bars", 0, {"normal", "bernstein"}) == 0 ? Bars::normal : Bars::bernstein;
  reader.finish();
  return options;
}

}  // namespace

SampledDensity::SampledDensity(const DensityStore& store, const SampledOptions& options,
                               int threads)
    : store_(store),
      options_(options),
      cells_(options.near > 0 && store.count() > 0 ? &store.cells(threads) : nullptr),
      stages_(store.count(), options.fixed) {}

std::string SampledDensity::name() const {
  const std::string bars = options_.bars == Bars::normal ? "" : ",bars=bernstein";
  if (options_.near == 0) return fmt::format("sampled(m={}{})", options_.fixed, bars);
  return fmt::format("deann(k={},m={}{})", options_.near, options_.fixed, bars);
}

void SampledDensity::find_near(const QueryTile& tile, std::int64_t start,
                               std::vector<SampledRow>& rows) const {
  if (cells_ == nullptr) return;
  NearCells cells(*cells_);
  NearPoints near;
  for (SampledRow& row : rows) {
    cells.find(tile.rows + row.query * store_.dim(), options_.near, near);
    set_near(row, near, stages_, start);
  }
}

void SampledDensity::estimate_tile(const PlacedTile& tile, const DensityTarget& target,
                                   TileSums& sums, DensityEstimate* out) const {
  const PackedPoints& points = store_.permuted();
  const Rng rng(store_.seed(), 0);
  const std::int64_t start =
      rng.below(points.blocks(), Purpose::density, 1, static_cast<std::uint32_t>(tile.number));
  const Interval interval(target.confidence, options_.bars, stages_.size());
  ActiveRows rows(tile, store_.dim());
  find_near(tile, start, rows.states());
  for (std::int64_t s = 0; s < stages_.size() && !rows.empty(); ++s) {
    for (const Range& blocks : stages_.blocks(s, start))
      rows.add(sums, points, blocks, stages_.points_in(blocks));
    const bool last = s + 1 == stages_.size();
    rows.drop([&](SampledRow& row) {
      leave_near(row, s);
      const WeightSample others = others_of(row, store_.count(), options_.bars);
      const DensityEstimate found =
          estimate_of(row, others, static_cast<double>(store_.count()), interval);
      const bool done = last || target.met(found.value, found.half_width);
      if (done) out[row.query] = found;
      return done;
    });
  }
}

std::unique_ptr<DensityEstimator> make_sampled(const SpecPart& spec, const DensityStore& store,
                                               int threads) {
  SpecReader reader(spec);
  return std::make_unique<SampledDensity>(store, read_options(reader, 0), threads);
}

std::unique_ptr<DensityEstimator> make_deann(const SpecPart& spec, const DensityStore& store,
                                             int threads) {
  SpecReader reader(spec);
  return std::make_unique<SampledDensity>(store, read_options(reader, 128), threads);
}

}  // namespace subquad
