#include "density/sampled.h"

#include <algorithm>

#include <fmt/format.h>

#include "density/near_cells.h"

namespace subquad {

// A query of the tile on its way.
struct SampledRow {
  std::int64_t query = 0;  // of the tile
  WeightSums slab;         // the points of the slab so far, without near ones
  std::int64_t seen = 0;   // how many
  NearPoints near;
};

namespace {

constexpr double kSingle = 5;  // what a kernel value of a single query costs, in those of a tile

// Near points leave what the blocks have added.
void leave_near(SampledRow& row, const Range& blocks) {
  std::int64_t count = 0;
  const WeightSums near = row.near.take(blocks, count);
  row.slab.sum -= near.sum;
  row.slab.squares -= near.squares;
  row.seen -= count;
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
      leave_near(states_[r], blocks);
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
WeightSample others_of(const SampledRow& row, std::int64_t points) {
  return {{std::max(row.slab.sum, 0.0), std::max(row.slab.squares, 0.0)},
          row.seen,
          points - row.near.count,
          row.near.cells.empty() ? 1 : row.near.cap};
}

DensityEstimate estimate_of(const SampledRow& row, const WeightSample& others, double points,
                            const Interval& interval) {
  const double share = static_cast<double>(others.population) / points;
  const double half = others.population == 0 ? 0 : share * interval.half_width(others);
  return {row.near.sum / points + share * others.mean(), half, row.seen + row.near.evaluated,
          static_cast<double>(row.seen) + kSingle * static_cast<double>(row.near.evaluated)};
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

void SampledDensity::find_near(const QueryTile& tile, std::vector<SampledRow>& rows) const {
  if (cells_ == nullptr) return;
  NearCells cells(*cells_);
  for (SampledRow& row : rows)
    row.near = cells.find(tile.rows + row.query * store_.dim(), options_.near);
}

void SampledDensity::estimate_tile(const PlacedTile& tile, const DensityTarget& target,
                                   TileSums& sums, DensityEstimate* out) const {
  const PackedPoints& points = store_.permuted();
  const Rng rng(store_.seed(), 0);
  const std::int64_t start =
      rng.below(points.blocks(), Purpose::density, 1, static_cast<std::uint32_t>(tile.number));
  const Interval interval(target.confidence, options_.bars, stages_.size());
  ActiveRows rows(tile, store_.dim());
  find_near(tile, rows.states());
  for (std::int64_t s = 0; s < stages_.size() && !rows.empty(); ++s) {
    for (const Range& blocks : stages_.blocks(s, start))
      rows.add(sums, points, blocks, stages_.points_in(blocks));
    const bool last = s + 1 == stages_.size();
    rows.drop([&](const SampledRow& row) {
      const WeightSample others = others_of(row, store_.count());
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
