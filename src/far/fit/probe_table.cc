#include "far/fit/probe_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/threads.h"
#include "rows/tile_sizes.h"
#include "kernels/filter.h"
#include "kernels/probe.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// Scores above the largest cluster's by up to this many binary orders keep their bits; 127 more do
// not overflow.
constexpr float kHeadroom = 32;
// Sums of clusters are added slice by slice: the bits do not depend on threads.
constexpr std::int64_t kSlices = 8;
constexpr std::int64_t kMaxLanes = 64;

std::int64_t padded_sums(std::int64_t value_dim) {
  // The sum of weights stands last, where no product's rounded-up columns reach.
  return (value_dim + 31) / 32 * 32 + 16;
}

}  // namespace

ProbeScratch::ProbeScratch(std::int64_t head_dim, std::int64_t value_dim)
    : TileScratch(head_dim, value_dim),
      clusters(panel.stride() + kMaxLanes),
      scores(panel.stride() * kernels::blocking().rows),
      value(static_cast<std::size_t>(value_dim)),
      weights(static_cast<std::size_t>(kernels::blocking().rows)),
      sums(kernels::blocking().rows * padded_sums(value_dim)) {
  std::fill(clusters.span().begin(), clusters.span().end(), 0);
}

ProbeTable::ProbeTable(const ProbeInput& input, int threads)
    : input_(input),
      probes_(input.probes.count),
      clusters_(input.far.size()),
      value_dim_(input.far.value_dim()),
      stride_(padded_sums(value_dim_)),
      slices_(input.prior != nullptr ? std::min(kSlices, clusters_)
                                     : static_cast<std::int64_t>(input.segments.size())),
      rows_(input.far.head_dim(), value_dim_, probes_),
      reference_(static_cast<std::size_t>(probes_)),
      weights_(probes_ * clusters_),
      missed_(slices_ * probes_ * stride_) {
  rows_.load(input.head, input.probes);
  weigh_clusters();
  if (input.prior != nullptr) add_model();
  if (input.far.shape() != nullptr && !input.heavy.empty()) weigh_slopes();
  std::fill(missed_.span().begin(), missed_.span().end(), 0.0f);
  if (!input_.heavy.empty()) {
    slice_taken_ = Scratch<float>(slices_ * probes_ * (value_dim_ + 1));
    std::fill(slice_taken_.span().begin(), slice_taken_.span().end(), 0.0f);
  }
  add_slices(threads);
  taken_.assign(static_cast<std::size_t>(probes_ * (value_dim_ + 1)), 0.0f);
  for (std::int64_t at = 0; at < slice_taken_.size(); ++at)
    taken_[static_cast<std::size_t>(at) % taken_.size()] += slice_taken_[at];
  // Weights that f32 holds may still be too large for their values.
  if (!kernels::within(missed_.data(), missed_.size(), std::numeric_limits<float>::max()))
    finite_ = false;
}

void ProbeTable::add_slices(int threads) {
  parallel_workers(threads, slices_, [&] {
    return [&, scratch = ProbeScratch(input_.far.head_dim(), value_dim_)](
               std::int64_t slice) mutable { add_slice(slice, scratch); };
  });
}

void ProbeTable::measure(int threads) {
  if (squares_.size() > 0) return;
  squares_ = Scratch<float>(probes_ * clusters_);
  std::fill(squares_.span().begin(), squares_.span().end(), 0.0f);
  add_slices(threads);
}

void ProbeTable::weigh_clusters() {
  FarScratch scratch(clusters_, value_dim_);
  for (std::int64_t begin = 0; begin < probes_; begin += FarField::kRows) {
    const std::int64_t count = std::min(FarField::kRows, probes_ - begin);
    input_.far.score(rows_.query(begin), count, scratch.scores.data(), scratch.stride,
                     scratch.shape);
    for (std::int64_t r = 0; r < count; ++r) {
      const float* scores = scratch.scores.data() + r * scratch.stride;
      float& top = reference_[static_cast<std::size_t>(begin + r)];
      top = *std::max_element(scores, scores + clusters_) + kHeadroom;
      if (!std::isfinite(top)) finite_ = false;
    }
    kernels::exp2_rows(scratch.scores.data(), scratch.stride, count, clusters_,
                       reference_.data() + begin);
    for (std::int64_t r = 0; r < count; ++r)
      std::copy_n(scratch.scores.data() + r * scratch.stride, clusters_,
                  weights_.data() + (begin + r) * clusters_);
  }
}

void ProbeTable::add_model() {
  const FarCoefficients packed(input_.prior->data(), value_dim_ + 1, clusters_);
  model_ = Scratch<float>(probes_ * stride_);
  kernels::gemm({weights_.data(), clusters_, 1}, packed.matrix(), probes_, value_dim_ + 1,
                clusters_, model_.data(), stride_, false);
  if (const ClusterShape* shape = input_.far.shape()) {
    ClusterShape::Workspace workspace;
    shape->add_dipole(rows_.query(0), probes_, weights_.data(), clusters_, nullptr, model_.data(),
                      stride_, workspace);
  }
}

void ProbeTable::weigh_slopes() {
  const std::vector<std::int32_t>& ids = input_.clusters.ids;
  const IndexList keys{ids.data(), 0, static_cast<std::int64_t>(ids.size())};
  std::vector<float> scores(ids.size());
  FilterScratch filter;
  slope_weights_ = Scratch<float>(probes_ * clusters_);
  for (std::int64_t i = 0; i < probes_; ++i) {
    std::fill(scores.begin(), scores.end(), 0.0f);
    for (const EntrySet* set : input_.heavy)
      set->remove(rows_.rows().slice(i, 1), keys, scores.data(), keys.count, filter);
    for (std::int64_t c = 0; c < clusters_; ++c) {
      const auto begin = scores.begin() + input_.clusters.begin[static_cast<std::size_t>(c)];
      const std::int64_t count = input_.clusters.members(c).count;
      const auto left = static_cast<float>(std::count(begin, begin + count, 0.0f));
      slope_weights_[i * clusters_ + c] = weights(i)[c] * left / static_cast<float>(count);
    }
  }
}

IndexList ProbeTable::slice_keys(std::int64_t slice) const {
  if (input_.prior == nullptr) return input_.segments[static_cast<std::size_t>(slice)];
  const auto& begin = input_.clusters.begin;
  const std::int64_t first = begin[static_cast<std::size_t>(clusters_ * slice / slices_)],
                     last = begin[static_cast<std::size_t>(clusters_ * (slice + 1) / slices_)];
  return {input_.clusters.ids.data() + first, 0, last - first, false};
}

void ProbeTable::pack(const IndexList& keys, ProbeScratch& scratch) const {
  scratch.tile.pack(input_.head, keys);
  for (std::int64_t k = 0; k < keys.count; ++k)
    scratch.clusters[k] = input_.clusters.cluster_of[static_cast<std::size_t>(keys[k])];
}

void ProbeTable::add_slice(std::int64_t slice, ProbeScratch& scratch) {
  const IndexList keys = slice_keys(slice);
  const std::int64_t step = kernels::blocking().rows;
  for (std::int64_t first = 0; first < keys.count; first += scratch.tile_keys) {
    pack(keys.slice(first, std::min(scratch.tile_keys, keys.count - first)), scratch);
    if (!scratch.tile.values().wild().empty()) finite_ = false;
    for (std::int64_t begin = 0; begin < probes_; begin += step) {
      const std::int64_t place = slice * probes_ + begin;
      add_panel({begin, std::min(begin + step, probes_)}, missed_.data() + place * stride_,
                slice_taken_.size() ? slice_taken_.data() + place * (value_dim_ + 1) : nullptr,
                scratch);
    }
  }
}

// Scores of heavy entries become -inf; with `taken`, their u_k and u_k v_k join it.
void ProbeTable::remove_heavy(const Range& part, const Range& columns, float* taken,
                              ProbeScratch& scratch) const {
  const std::int64_t width = columns.end - columns.begin, stride = scratch.panel.stride(),
                     rows = part.end - part.begin;
  const IndexList keys = scratch.tile.keys().slice(columns.begin, width);
  float* scores = scratch.panel.data();
  std::copy_n(scores, rows * stride, scratch.scores.data());
  for (const EntrySet* set : input_.heavy)
    set->remove(rows_.rows().slice(part.begin, rows), keys, scores, stride, scratch.panel.filter());
  const auto row_bytes = static_cast<std::size_t>(width) * sizeof(float);
  for (std::int64_t r = 0; taken != nullptr && r < rows; ++r) {
    const float *old = scratch.scores.data() + r * stride, *now = scores + r * stride;
    if (std::memcmp(old, now, row_bytes) == 0) continue;
    for (std::int64_t k = 0; k < width; ++k) {
      if (old[k] == now[k] || std::isnan(old[k])) continue;
      const float u = std::exp2(old[k] - reference(part.begin + r)) -
                      weights(part.begin + r)[scratch.clusters[columns.begin + k]];
      scratch.tile.values().load(columns.begin + k, scratch.value.data());
      float* sum = taken + r * (value_dim_ + 1);
      for (std::int64_t d = 0; d < value_dim_; ++d)
        sum[d] += u * scratch.value[static_cast<std::size_t>(d)];
      sum[value_dim_] += u;
    }
  }
}

// u_k for the scores in the scratch's panel, columns of its tile, and their sums; false: a sum is
// not finite.
bool ProbeTable::weigh_panel(const Range& part, const Range& columns, ProbeScratch& scratch) const {
  const std::int64_t width = columns.end - columns.begin, stride = scratch.panel.stride();
  float total = 0;
  for (std::int64_t r = 0; r < part.end - part.begin; ++r) {
    float& sum = scratch.weights[static_cast<std::size_t>(r)];
    sum = kernels::weigh_missed(scratch.panel.data() + r * stride, width, reference(part.begin + r),
                                weights(part.begin + r), scratch.clusters.data() + columns.begin);
    total += sum;
  }
  return std::isfinite(total);
}

// One register block of probes against the scratch's tile.
void ProbeTable::add_panel(const Range& part, float* sums, float* taken, ProbeScratch& scratch) {
  const Range columns = tile_columns(input_.head, rows_.rows(), part, scratch.tile.keys(), {});
  if (columns.empty()) return;
  score_rows(input_.head, rows_, part, scratch.tile, columns, {}, scratch.panel);
  const bool measuring = squares_.size() > 0;
  if (!input_.heavy.empty()) remove_heavy(part, columns, measuring ? nullptr : taken, scratch);
  if (!weigh_panel(part, columns, scratch)) finite_ = false;
  if (measuring) return measure_clusters(part, columns, scratch);
  scratch.tile.multiply_values(scratch.panel.data(), scratch.panel.stride(), part.end - part.begin,
                               columns, sums, stride_, true);
  for (std::int64_t r = 0; r < part.end - part.begin; ++r)
    sums[r * stride_ + stride_ - 1] += scratch.weights[static_cast<std::size_t>(r)];
}

// The tile's clusters one by one. A cluster that spans tiles is measured in pieces.
void ProbeTable::measure_clusters(const Range& part, const Range& columns, ProbeScratch& scratch) {
  const std::int32_t* cluster_at = scratch.clusters.data();
  const std::int64_t stride = scratch.panel.stride(), rows = part.end - part.begin;
  for (std::int64_t begin = columns.begin, end = begin; begin < columns.end; begin = end) {
    const std::int32_t cluster = cluster_at[begin];
    while (end < columns.end && cluster_at[end] == cluster) ++end;
    const float* weights = scratch.panel.data() + begin - columns.begin;
    scratch.tile.multiply_values(weights, stride, rows, {begin, end}, scratch.sums.data(), stride_,
                                 false);
    for (std::int64_t r = 0; r < rows; ++r)
      squares_[(part.begin + r) * clusters_ + cluster] += kernels::missed_square(
          weights + r * stride, end - begin, scratch.sums.data() + r * stride_,
          model(part.begin + r), value_dim_);
  }
}

void ProbeTable::evaluate(std::int64_t cluster, const Range& part, float* sums,
                          ProbeScratch& scratch) const {
  const IndexList keys = input_.clusters.members(cluster);
  const std::int64_t step = kernels::blocking().rows, width = value_dim_ + 1;
  std::fill_n(sums, (part.end - part.begin) * width, 0.0f);
  for (std::int64_t first = 0; first < keys.count; first += scratch.tile_keys) {
    const std::int64_t count = std::min(scratch.tile_keys, keys.count - first);
    pack(keys.slice(first, count), scratch);
    for (std::int64_t begin = part.begin; begin < part.end; begin += step) {
      const Range rows{begin, std::min(begin + step, part.end)};
      const Range columns = tile_columns(input_.head, rows_.rows(), rows, scratch.tile.keys(), {});
      if (columns.empty()) continue;
      score_rows(input_.head, rows_, rows, scratch.tile, columns, {}, scratch.panel);
      if (!input_.heavy.empty()) remove_heavy(rows, columns, nullptr, scratch);
      weigh_panel(rows, columns, scratch);
      scratch.tile.multiply_values(scratch.panel.data(), scratch.panel.stride(),
                                   rows.end - rows.begin, columns, scratch.sums.data(), stride_,
                                   false);
      for (std::int64_t r = 0; r < rows.end - rows.begin; ++r) {
        float* out = sums + (begin - part.begin + r) * width;
        for (std::int64_t d = 0; d < value_dim_; ++d) out[d] += scratch.sums[r * stride_ + d];
        out[value_dim_] += scratch.weights[static_cast<std::size_t>(r)];
      }
    }
  }
}

double output_error_square(const float* out, const float* missed, std::int64_t value_dim) {
  constexpr double kLeastWeight = 0.05;
  const double weight = double{missed[value_dim]}, left = std::max(kLeastWeight, 1 - weight);
  double square = 0;
  for (std::int64_t d = 0; d < value_dim; ++d) {
    const double e = (double{missed[d]} - double{out[d]} * weight) / left;
    square += e * e;
  }
  return square;
}

ProbeRows evaluate_probes(const HeadProblem& head, const IndexList& probes, const ProbeTable& table,
                          int threads) {
  constexpr std::int64_t kBlock = 64;
  const std::int64_t dv = head.value_dim();
  ProbeRows exact;
  exact.l.resize(static_cast<std::size_t>(probes.count));
  exact.out.resize(static_cast<std::size_t>(probes.count * dv));
  parallel_for(threads, (probes.count + kBlock - 1) / kBlock, [&](std::int64_t block) {
    const std::int64_t begin = block * kBlock, count = std::min(kBlock, probes.count - begin);
    RowBlock rows(head.head_dim(), dv, count);
    TileScratch scratch(head.head_dim(), dv);
    rows.load(head, probes.slice(begin, count));
    KeyRun run;
    run.rows = {0, count};
    run.keys = index_range(0, head.num_keys);
    attend_run(head, rows, run, {}, scratch);
    const Partial sums = rows.partial();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(begin + i);
      exact.l[at] =
          std::exp2(static_cast<double>(sums.m[i]) - table.reference(begin + i)) * sums.l[i];
      for (std::int64_t d = 0; d < dv; ++d)
        exact.out[at * static_cast<std::size_t>(dv) + static_cast<std::size_t>(d)] =
            sums.l[i] > 0 ? sums.o[i * sums.o_stride + d] / sums.l[i] : 0.0f;
    }
  });
  return exact;
}

}  // namespace subquad
