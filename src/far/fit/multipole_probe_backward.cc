#include "far/fit/multipole_probe_backward.h"

#include <algorithm>
#include <memory>
#include <numbers>

#include "core/threads.h"
#include "rows/tile_sizes.h"
#include "rows/backward_keys.h"
#include "rows/head_rows.h"
#include "kernels/backward.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// Keys are cut into this many runs of tiles, whose sums are added in order: the bits do not depend
// on threads.
constexpr std::int64_t kSlices = 8;
constexpr WantedGradients kAll{true, true, true};

kernels::RowSource dense_rows(const float* data, std::int64_t width, std::int64_t stride,
                              std::int64_t count) {
  return {data, DType::f32, stride, width, nullptr, 0, count};
}

std::int64_t panels(std::int64_t columns) {
  const std::int64_t panel = kernels::blocking().panel;
  return (columns + panel - 1) / panel * panel;
}

// Rows as the B of a product that sums over them.
class PackedRows {
 public:
  PackedRows(std::int64_t width, std::int64_t capacity) : data_(panels(width) * capacity) {}
  void pack(const kernels::RowSource& rows) {
    stride_ = kernels::blocking().panel * rows.count;
    kernels::pack_rows(rows, data_.data(), stride_);
  }
  kernels::RightMatrix matrix() const { return {data_.data(), stride_, kernels::blocking().panel}; }

 private:
  Scratch<float> data_;
  std::int64_t stride_ = 0;
};

// Some probes, and what a slice of keys or all of them give to their gradients.
struct ProbeBlock {
  ProbeBlock(std::int64_t dim, std::int64_t clusters)
      : queries(kBackwardRows, dim),
        packed_queries(dim, kBackwardRows),
        opened(static_cast<std::size_t>(kBackwardRows * clusters)) {}

  Range probes;
  PaddedMatrix queries;
  PackedRows packed_queries;
  std::vector<std::uint8_t> opened;  // clusters of each probe's group
};
struct SliceSums {
  SliceSums(std::int64_t dim, std::int64_t clusters, bool slopes)
      : shares(kBackwardRows, clusters),
        grad_queries(kBackwardRows, dim),
        held(slopes ? kBackwardRows : 0, clusters) {}

  PaddedMatrix shares;        // by P, through the keys, with the sign changed
  PaddedMatrix grad_queries;  // sum of dS K
  PaddedMatrix held;          // keys of each cluster that the targets hold; no rows at order 0
};

// Keys of one segment.
struct SegmentTile {
  std::int64_t segment;
  IndexList keys;
};

struct TileScratchOfProbes {
  TileScratchOfProbes(std::int64_t dim, std::int64_t value_dim, std::int64_t keys)
      : stride(panels(keys) + 16),
        tile(dim, value_dim, keys),
        weights(kBackwardRows * stride),
        products(kBackwardRows * stride),
        missed(kBackwardRows * stride),
        taken(kBackwardRows * stride),
        grad_sums(value_dim, kBackwardRows),
        grad_keys(keys, dim),
        grad_values(keys, value_dim) {}

  std::int64_t stride;
  BackwardKeys tile;
  Scratch<float> weights, products, missed, taken;
  PackedRows grad_sums;
  PaddedMatrix grad_keys, grad_values;
  FilterScratch filter;
};

class ProbeBackward {
 public:
  ProbeBackward(const MultipoleModel& model, const MultipoleProbes& probes,
                const ProbeGradients& gradients, const BackwardArguments& arguments,
                ClusterShapeBackward* shape)
      : model_(model),
        probes_(probes),
        gradients_(gradients),
        arguments_(arguments),
        head_(*probes.head),
        dim_(model.far->head_dim()),
        value_dim_(model.far->value_dim()),
        block_(dim_, model.size()),
        means_(dim_, model.size()) {
    means_.pack(dense_rows(model.far->means().data(), dim_, dim_, model.size()));
    tile_keys_ = max_backward_keys(dim_, value_dim_);
    for (std::int64_t s = 0; s < model.prefixes(); ++s)
      for (std::int64_t begin = s * model.segment; begin < (s + 1) * model.segment;
           begin += tile_keys_)
        tiles_.push_back(
            {s, index_range(begin, std::min(begin + tile_keys_, (s + 1) * model.segment))});
    const auto slices = std::min<std::int64_t>(kSlices, std::ssize(tiles_));
    for (std::int64_t s = 0; s < slices; ++s)
      slices_.emplace_back(dim_, model.size(), shape != nullptr);
    if (shape != nullptr) shape_ = std::make_unique<ClusterShapeBackward::Worker>(*shape);
  }

  void run(std::vector<double>& grad_means, int threads) {
    for (std::int64_t begin = 0; begin < probes_.rows.count; begin += kBackwardRows) {
      load({begin, std::min(begin + kBackwardRows, probes_.rows.count)});
      parallel_workers(threads, std::ssize(slices_), [&] {
        return [&, scratch = TileScratchOfProbes(dim_, value_dim_, tile_keys_)](
                   std::int64_t slice) mutable { add_slice(slice, scratch); };
      });
      finish(grad_means);
    }
  }

 private:
  std::int64_t rows() const { return block_.probes.end - block_.probes.begin; }
  IndexList probe_rows() const { return probes_.rows.slice(block_.probes.begin, rows()); }

  void load(const Range& probes) {
    block_.probes = probes;
    load_head_rows(head_, head_.problem->query, probe_rows(), head_.scale_log2,
                   block_.queries.row(0), block_.queries.stride);
    block_.packed_queries.pack(
        dense_rows(block_.queries.row(0), dim_, block_.queries.stride, rows()));
    std::fill(block_.opened.begin(), block_.opened.end(), std::uint8_t{0});
    if (model_.opened == nullptr) return;
    for (std::int64_t i = 0; i < rows(); ++i)
      for (const std::int32_t c :
           model_.opened->opened(probes_.group[static_cast<std::size_t>(probes.begin + i)]))
        block_.opened[static_cast<std::size_t>(i * model_.size() + c)] = 1;
  }

  void add_slice(std::int64_t slice, TileScratchOfProbes& scratch) {
    SliceSums& sums = slices_[static_cast<std::size_t>(slice)];
    std::fill(sums.shares.data.span().begin(), sums.shares.data.span().end(), 0.0f);
    std::fill(sums.grad_queries.data.span().begin(), sums.grad_queries.data.span().end(), 0.0f);
    std::fill(sums.held.data.span().begin(), sums.held.data.span().end(), 0.0f);
    const std::int64_t tiles = std::ssize(tiles_), slices = std::ssize(slices_);
    for (std::int64_t t = tiles * slice / slices; t < tiles * (slice + 1) / slices; ++t) {
      const SegmentTile& tile = tiles_[static_cast<std::size_t>(t)];
      scratch.tile.load(head_, tile.keys, nullptr, kAll);
      weigh(tile, scratch);
      for (std::int64_t i = 0; i < rows(); ++i) {
        set_gradients(i, tile, sums, scratch);
        if (shape_ != nullptr) count_held(i, tile, sums, scratch);
      }
      add_products(tile, sums, scratch);
    }
  }

  // W, the products of the keys' values with the gradients of the segment, and which entries heavy
  // sets hold.
  void weigh(const SegmentTile& tile, TileScratchOfProbes& s) {
    const std::int64_t keys = tile.keys.count;
    kernels::gemm({block_.queries.row(0), block_.queries.stride, 1}, s.tile.keys_from(0), rows(),
                  keys, dim_, s.weights.data(), s.stride, false);
    for (std::int64_t i = 0; i < rows(); ++i) {
      const auto total =
          static_cast<float>(probes_.log2_total[static_cast<std::size_t>(block_.probes.begin + i)]);
      kernels::exp2_rows(s.weights.data() + i * s.stride, s.stride, 1, keys, &total);
    }
    kernels::gemm({grad_sums(tile, 0), gradients_.grad_segments.stride, 1}, s.tile.values_from(0),
                  rows(), keys, value_dim_, s.products.data(), s.stride, false);
    if (probes_.heavy.empty()) return;
    std::fill(s.taken.span().begin(), s.taken.span().end(), 0.0f);
    for (const EntrySet* set : probes_.heavy)
      set->remove(probe_rows(), tile.keys, s.taken.data(), s.stride, s.filter);
  }

  const float* grad_sums(const SegmentTile& tile, std::int64_t i) const {
    return gradients_.grad_segments.row(block_.probes.begin + i) + tile.segment * (value_dim_ + 1);
  }

  // One probe's row: missed becomes W - P where the targets hold the entry, weights the gradient by
  // the natural logit.
  void set_gradients(std::int64_t i, const SegmentTile& tile, SliceSums& sums,
                     TileScratchOfProbes& s) const {
    const std::int64_t probe = block_.probes.begin + i;
    const float pull = gradients_.pull[static_cast<std::size_t>(probe)];
    const float of_weight = grad_sums(tile, i)[value_dim_];
    const float* share = gradients_.weights.row(probe);
    const std::uint8_t* opened = block_.opened.data() + i * model_.size();
    float *weight = s.weights.data() + i * s.stride, *missed = s.missed.data() + i * s.stride;
    const float *product = s.products.data() + i * s.stride, *taken = s.taken.data() + i * s.stride;
    for (std::int64_t k = 0; k < tile.keys.count; ++k) {
      const std::int32_t c = model_.clusters->cluster_of[static_cast<std::size_t>(tile.keys[k])];
      const bool heavy = !probes_.heavy.empty() && taken[k] != 0.0f;
      const bool held = !heavy && opened[c] == 0;
      const bool by_cluster = heavy && !probes_.heavy_in_total;
      const float gradient = held ? product[k] + of_weight : 0.0f;
      missed[k] = held ? weight[k] - share[c] : 0.0f;
      weight[k] *= gradient - (by_cluster ? 0.0f : pull);
      sums.shares.row(i)[c] += gradient + (by_cluster ? pull : 0.0f);
    }
  }

  void count_held(std::int64_t i, const SegmentTile& tile, SliceSums& sums,
                  const TileScratchOfProbes& s) const {
    const std::uint8_t* opened = block_.opened.data() + i * model_.size();
    const float* taken = s.taken.data() + i * s.stride;
    for (std::int64_t k = 0; k < tile.keys.count; ++k) {
      const std::int32_t c = model_.clusters->cluster_of[static_cast<std::size_t>(tile.keys[k])];
      const bool heavy = !probes_.heavy.empty() && taken[k] != 0.0f;
      sums.held.row(i)[c] += !heavy && opened[c] == 0 ? 1.0f : 0.0f;
    }
  }

  void add_products(const SegmentTile& tile, SliceSums& sums, TileScratchOfProbes& s) {
    const std::int64_t keys = tile.keys.count;
    if (!arguments_.grad_query.empty())
      kernels::gemm({s.weights.data(), s.stride, 1}, s.tile.key_panels().from(0), rows(), dim_,
                    keys, sums.grad_queries.row(0), sums.grad_queries.stride, true);
    if (!arguments_.grad_key.empty()) {
      kernels::gemm({s.weights.data(), 1, s.stride}, block_.packed_queries.matrix(), keys, dim_,
                    rows(), s.grad_keys.row(0), s.grad_keys.stride, false);
      add_to(arguments_.grad_key, tile.keys, s.grad_keys, std::numbers::ln2_v<float>);
    }
    if (arguments_.grad_value.empty()) return;
    s.grad_sums.pack(
        dense_rows(grad_sums(tile, 0), value_dim_, gradients_.grad_segments.stride, rows()));
    kernels::gemm({s.missed.data(), 1, s.stride}, s.grad_sums.matrix(), keys, value_dim_, rows(),
                  s.grad_values.row(0), s.grad_values.stride, false);
    add_to(arguments_.grad_value, tile.keys, s.grad_values, 1.0f);
  }

  void add_to(const MutableTensorView& view, const IndexList& keys, const PaddedMatrix& sums,
              float factor) const {
    float* out = static_cast<float*>(view.data) +
                 view.offset(head_.batch, head_.kv_head, head_.key_begin + keys.first);
    kernels::add_rows(sums.row(0), sums.stride, keys.count, view.channels(), factor, out,
                      view.stride[2]);
  }

  // What goes through the clusters' weights, and to the probes' queries.
  void finish(std::vector<double>& grad_means) {
    PaddedMatrix grad_logits(kBackwardRows, model_.size()), grad_queries(kBackwardRows, dim_);
    for (std::int64_t i = 0; i < rows(); ++i)
      for (std::int64_t c = 0; c < model_.size(); ++c) {
        float& sum = grad_logits.row(i)[c];
        sum = gradients_.grad_weights.row(block_.probes.begin + i)[c];
        for (const SliceSums& slice : slices_) sum -= slice.shares.row(i)[c];
      }
    std::fill(grad_queries.data.span().begin(), grad_queries.data.span().end(), 0.0f);
    const PaddedMatrix shares = slope_shares();
    const ClusterShapeBackward::Rows shape_rows = rows_of_shape(shares, grad_logits, grad_queries);
    if (shape_ != nullptr) shape_->add_dipole(shape_rows);
    for (std::int64_t i = 0; i < rows(); ++i)
      for (std::int64_t c = 0; c < model_.size(); ++c)
        grad_logits.row(i)[c] *= gradients_.weights.row(block_.probes.begin + i)[c];
    if (shape_ != nullptr) {
      shape_->add_quadratic(shape_rows);
      shape_->flush();
    }
    PaddedMatrix means(model_.size(), dim_);
    kernels::gemm({grad_logits.row(0), 1, grad_logits.stride}, block_.packed_queries.matrix(),
                  model_.size(), dim_, rows(), means.row(0), means.stride, false);
    for (std::int64_t c = 0; c < model_.size(); ++c)
      for (std::int64_t d = 0; d < dim_; ++d)
        grad_means[static_cast<std::size_t>(c * dim_ + d)] += double{means.row(c)[d]};
    if (!arguments_.grad_query.empty()) add_grad_queries(grad_logits, grad_queries);
  }

  // The targets lack the slopes of the keys they hold.
  PaddedMatrix slope_shares() const {
    PaddedMatrix shares(shape_ != nullptr ? kBackwardRows : 0, model_.size());
    for (std::int64_t i = 0; shape_ != nullptr && i < rows(); ++i)
      for (std::int64_t c = 0; c < model_.size(); ++c) {
        float held = 0;
        for (const SliceSums& slice : slices_) held += slice.held.row(i)[c];
        shares.row(i)[c] = -held / model_.count(c);
      }
    return shares;
  }

  // The derivative by the block's targets stands for that by its output.
  ClusterShapeBackward::Rows rows_of_shape(const PaddedMatrix& shares, PaddedMatrix& grad_logits,
                                           PaddedMatrix& grad_queries) const {
    const PaddedMatrix &weights = gradients_.weights, &grads = gradients_.grad_segments;
    return {rows(),
            block_.queries.row(0),
            block_.queries.stride,
            weights.row(block_.probes.begin),
            grad_logits.row(0),
            shares.row(0),
            weights.stride,
            grads.row(block_.probes.begin),
            grads.stride,
            grad_queries.row(0),
            grad_queries.stride};
  }

  // sums: what the clusters' slopes and spreads give.
  void add_grad_queries(const PaddedMatrix& grad_logits, PaddedMatrix& sums) {
    kernels::gemm({grad_logits.row(0), grad_logits.stride, 1}, means_.matrix(), rows(), dim_,
                  model_.size(), sums.row(0), sums.stride, true);
    const float scale = resolved_scale(*head_.problem);
    for (std::int64_t i = 0; i < rows(); ++i) {
      float* row = static_cast<float*>(head_.row_in(arguments_.grad_query, probe_rows()[i]));
      for (std::int64_t d = 0; d < dim_; ++d) {
        float sum = sums.row(i)[d];
        for (const SliceSums& slice : slices_) sum += slice.grad_queries.row(i)[d];
        row[d] += scale * sum;
      }
    }
  }

  const MultipoleModel& model_;
  const MultipoleProbes& probes_;
  const ProbeGradients& gradients_;
  const BackwardArguments& arguments_;
  const HeadProblem& head_;
  std::int64_t dim_, value_dim_, tile_keys_ = 0;
  ProbeBlock block_;
  PackedRows means_;
  std::vector<SegmentTile> tiles_;
  std::vector<SliceSums> slices_;
  std::unique_ptr<ClusterShapeBackward::Worker> shape_;  // nullptr: order 0
};

}  // namespace

void add_probe_gradients(const MultipoleModel& model, const MultipoleProbes& probes,
                         const ProbeGradients& gradients, const BackwardArguments& arguments,
                         std::vector<double>& grad_means, ClusterShapeBackward* shape,
                         int threads) {
  ProbeBackward(model, probes, gradients, arguments, shape).run(grad_means, threads);
}

}  // namespace subquad
