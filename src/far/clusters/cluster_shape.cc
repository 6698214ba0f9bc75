#include "far/clusters/cluster_shape.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "kernels/multipole.h"
#include "far/moments/cluster_moments.h"
#include "index/key_clusters.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;      // queries at a time
constexpr std::int64_t kColumns = 512;  // directions at a time, or a panel of clusters
constexpr double kLn2 = std::numbers::ln2;
constexpr float kLargest = 1e30f;  // times a query of length 0 it is 0

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
float* room(Scratch<float>& scratch, std::int64_t count) {
  if (scratch.size() < count) scratch = Scratch<float>(count);
  return scratch.data();
}

void check(const ClusterShape::Input& input) {
  if (input.order < 0 || input.order > 2) throw_invalid("order must be 0, 1 or 2");
  if (input.rank < 0) throw_invalid("rank must not be negative");
  if (input.quadratic_rank < -1) throw_invalid("quadratic_rank must be -1 or more");
  if (input.head_dim < 1) throw_invalid("head_dim must be positive");
  if (input.value_dim < 1) throw_invalid("value_dim must be positive");
  if (input.clusters == nullptr) throw_invalid("clusters are missing");
  if (input.metric == nullptr) throw_invalid("metric is missing");
  if (input.clusters->size() == 0) return;
  if (input.keys == nullptr) throw_invalid("keys are missing");
  if (input.values == nullptr) throw_invalid("values are missing");
  if (input.means == nullptr) throw_invalid("means are missing");
}

// Rows of `from` into the columns of a chunk of packed panels; row a becomes column a * span.
void pack_columns(const SmallMatrix& from, double factor, std::int64_t span, std::int64_t panel,
                  std::int64_t column, float* chunk) {
  const std::int64_t depth = from.columns();
  for (std::int64_t a = 0; a < from.rows(); ++a, column += span) {
    float* to = chunk + column / panel * panel * depth + column % panel;
    for (std::int64_t k = 0; k < depth; ++k)
      to[k * panel] = static_cast<float>(factor * double{from.row(a)[k]});
  }
}

double squared_length(const float* query, std::int64_t head_dim) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = 0; j < head_dim; ++j) sum += double{query[j]} * double{query[j]};
  return sum;
}

}  // namespace

ClusterShape::ClusterShape(const Input& input, int threads)
    : order_(input.order), head_dim_(input.head_dim), value_dim_(input.value_dim) {
  check(input);
  const std::int64_t quadratic = input.quadratic_rank < 0 ? input.rank : input.quadratic_rank;
  rank_ = order_ > 0 ? std::min(input.rank, head_dim_) : 0;
  quadratic_rank_ = order_ > 1 ? std::min(quadratic, head_dim_) : 0;
  clusters_ = input.clusters->size();
  allocate();
  metric_ = std::make_shared<QueryMetric>(input.metric, head_dim_);
  const MomentInput moments{input.keys, input.values, input.clusters,  input.means, head_dim_,
                            value_dim_, rank_,        quadratic_rank_, order_};
  parallel_workers(resolved_threads(threads), clusters_, [&] {
    return [&, builder = MomentBuilder(moments, *metric_)](std::int64_t cluster) mutable {
      store(cluster, builder.build(cluster));
    };
  });
}

void ClusterShape::allocate() {
  panel_ = kernels::blocking().panel;
  padded_values_ = round_up(value_dim_, panel_);
  const std::int64_t fitting =
      kColumns / std::max<std::int64_t>({rank_, quadratic_rank_, 1}) / panel_ * panel_;
  span_ = std::clamp(fitting, panel_, std::max(panel_, round_up(clusters_, panel_)));
  const std::int64_t clusters = chunks() * span_;
  quadratic_.resize(size(clusters * quadratic_rank_ * head_dim_));
  dipole_.resize(size(clusters * rank_ * head_dim_));
  values_.resize(size(clusters * rank_ * padded_values_));
  even_.resize(size(clusters));
  cap_.resize(size(clusters));
  radius_.resize(size(clusters_));
  remainder_.resize(size(clusters_));
}

void ClusterShape::store(std::int64_t cluster, const ClusterMoments& moments) {
  const std::int64_t chunk = cluster / span_, column = cluster % span_;
  const std::int64_t first = chunk * span_;
  pack_columns(moments.quadratic, std::sqrt(kLn2 / 2), span_, panel_, column,
               quadratic_.data() + first * quadratic_rank_ * head_dim_);
  pack_columns(moments.dipole, kLn2, span_, panel_, column,
               dipole_.data() + first * rank_ * head_dim_);
  for (std::int64_t a = 0; a < rank_; ++a)
    std::copy_n(moments.values.row(a), value_dim_,
                values_.data() + (first * rank_ + a * span_ + column) * padded_values_);
  even_[size(cluster)] = std::min(static_cast<float>(kLn2 / 2) * moments.even, kLargest);
  cap_[size(cluster)] = std::min(moments.radius, kLargest);
  radius_[size(cluster)] = moments.radius;
  remainder_[size(cluster)] = moments.remainder;
}

// workspace.products: rows x columns, the queries times a chunk's directions.
void ClusterShape::multiply(const std::vector<float>& packed, std::int64_t columns,
                            std::int64_t chunk, const float* queries, std::int64_t rows,
                            Workspace& workspace) const {
  const kernels::RightMatrix directions{packed.data() + chunk * columns * head_dim_,
                                        panel_ * head_dim_, panel_};
  kernels::gemm({queries, head_dim_, 1}, directions, rows, columns, head_dim_,
                room(workspace.products, kRows * columns), columns, false);
}

void ClusterShape::add_quadratic_block(const float* queries, std::int64_t rows, float* scores,
                                       std::int64_t stride, Workspace& workspace) const {
  float* added = room(workspace.row, span_);
  const std::int64_t columns = quadratic_rank_ * span_;
  for (std::int64_t chunk = 0; chunk < chunks(); ++chunk) {
    multiply(quadratic_, columns, chunk, queries, rows, workspace);
    const std::int64_t first = chunk * span_, count = std::min(span_, clusters_ - first);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double length2 = squared_length(queries + r * head_dim_, head_dim_);
      const kernels::QuadraticTerms terms{workspace.products.data() + r * columns,
                                          span_,
                                          quadratic_rank_,
                                          even_.data() + first,
                                          cap_.data() + first,
                                          static_cast<float>(length2),
                                          static_cast<float>(std::sqrt(length2))};
      kernels::set_quadratic_terms(terms, added);
      float* row = scores + r * stride + first;
      for (std::int64_t j = 0; j < count; ++j) row[j] += added[j];
    }
  }
}

void ClusterShape::add_quadratic(const float* queries, std::int64_t rows, float* scores,
                                 std::int64_t stride, Workspace& workspace) const {
  if (order_ < 2) return;
  for (std::int64_t r = 0; r < rows; r += kRows)
    add_quadratic_block(queries + r * head_dim_, std::min(kRows, rows - r), scores + r * stride,
                        stride, workspace);
}

// workspace.sums: rows x padded_values_, what all chunks add.
void ClusterShape::add_dipole_block(const float* queries, std::int64_t rows, const float* weights,
                                    std::int64_t stride, const std::uint8_t* skip,
                                    Workspace& workspace) const {
  float* sums = room(workspace.sums, kRows * padded_values_);
  std::fill_n(sums, rows * padded_values_, 0.0f);
  float* chosen = room(workspace.row, span_);
  const std::int64_t columns = rank_ * span_;
  for (std::int64_t chunk = 0; chunk < chunks(); ++chunk) {
    const std::int64_t first = chunk * span_, count = std::min(span_, clusters_ - first);
    multiply(dipole_, columns, chunk, queries, rows, workspace);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::fill_n(chosen, span_, 0.0f);
      for (std::int64_t j = 0; j < count; ++j)
        if (skip == nullptr || skip[first + j] == 0) chosen[j] = weights[r * stride + first + j];
      kernels::weigh_products(chosen, span_, rank_, workspace.products.data() + r * columns);
    }
    const float* values = values_.data() + chunk * columns * padded_values_;
    kernels::gemm({workspace.products.data(), columns, 1}, {values, panel_, padded_values_}, rows,
                  value_dim_, columns, sums, padded_values_, true);
  }
}

void ClusterShape::add_dipole(const float* queries, std::int64_t rows, const float* weights,
                              std::int64_t stride, const std::uint8_t* skip, float* o,
                              std::int64_t o_stride, Workspace& workspace) const {
  if (order_ < 1 || rank_ == 0) return;
  for (std::int64_t first = 0; first < rows; first += kRows) {
    const std::int64_t count = std::min(kRows, rows - first);
    add_dipole_block(queries + first * head_dim_, count, weights + first * stride, stride, skip,
                     workspace);
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t j = 0; j < value_dim_; ++j)
        o[(first + r) * o_stride + j] += workspace.sums[r * padded_values_ + j];
  }
}

}  // namespace subquad
