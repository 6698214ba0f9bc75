#include "far/clusters/cluster_shape_backward.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/threads.h"
#include "kernels/multipole.h"
#include "kernels/pack.h"
#include "far/moments/moment_gradients.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;  // at a time
constexpr double kLn2 = std::numbers::ln2;
constexpr float kLargest = 1e30f;  // as the forward caps it

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::int64_t padded(std::int64_t width) {
  const std::int64_t panel = kernels::blocking().panel;
  return (width + panel - 1) / panel * panel;
}

// The cluster's vectors out of sums over all, times `factor`.
DenseMatrix vectors_of(const std::vector<double>& sums, const FactorLayout& layout,
                       std::int64_t cluster, std::int64_t rank, std::int64_t width, double factor) {
  DenseMatrix result(rank, width);
  if (sums.empty()) return result;
  for (std::int64_t a = 0; a < rank; ++a) {
    const double* from = sums.data() + layout.number(cluster, a, rank) * padded(width);
    for (std::int64_t d = 0; d < width; ++d) result.row(a)[d] = factor * from[d];
  }
  return result;
}

// to += from, which becomes 0.
void move_sums(std::vector<float>& from, std::vector<double>& to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += double{from[i]};
  std::fill(from.begin(), from.end(), 0.0f);
}

void add_row(const double* sum, const HeadProblem& head, const MutableTensorView& view,
             std::int64_t key) {
  float* row =
      static_cast<float*>(view.data) + view.offset(head.batch, head.kv_head, head.key_begin + key);
  for (std::int64_t d = 0; d < view.channels(); ++d) row[d] += static_cast<float>(sum[d]);
}

}  // namespace

ClusterShapeBackward::ClusterShapeBackward(const HeadProblem& head, const FarField& far,
                                           const Partition& clusters,
                                           const BackwardArguments& arguments, int threads)
    : head_(head),
      arguments_(arguments),
      metric_(far.shape()->metric()),
      keys_(load(head.keys())),
      values_(load(head.values())),
      input_{keys_.data(),
             values_.data(),
             &clusters,
             far.means().data(),
             far.head_dim(),
             far.value_dim(),
             far.shape()->rank(),
             far.shape()->quadratic_rank(),
             far.shape()->order(),
             true},
      layout_(clusters.size(), std::max(input_.rank, input_.quadratic_rank)),
      wanted_(wanted_gradients(arguments)),
      padded_dim_(padded(input_.head_dim)),
      padded_values_dim_(padded(input_.value_dim)),
      moments_(size(clusters.size())),
      quadratic_(layout_, input_.quadratic_rank, input_.head_dim),
      dipole_(layout_, input_.rank, input_.head_dim),
      values_of_(layout_, input_.rank, input_.value_dim),
      even_(size(layout_.chunks() * layout_.span)),
      cap_(even_.size()) {
  for (std::int64_t c = 0; c < clusters.size(); ++c)
    whole_over_members_ |= clusters.members(c).count <= std::min(input_.rank, input_.head_dim);
  build(threads);
  const std::int64_t vectors = layout_.chunks() * layout_.span;
  if (wanted_.key && input_.order > 1) {
    sums_.quadratic.resize(size(vectors * input_.quadratic_rank * padded_dim_));
    sums_.even.resize(even_.size());
    sums_.radius.resize(even_.size());
  }
  if (wanted_.key && whole_over_members_)
    sums_.dipole.resize(size(vectors * input_.rank * padded_dim_));
  if (wanted_.keys()) sums_.values.resize(size(vectors * input_.rank * padded_values_dim_));
}

Scratch<float> ClusterShapeBackward::load(const kernels::RowSource& source) const {
  Scratch<float> rows(source.count * source.width);
  kernels::load_rows(source, 1.0f, rows.data(), source.width, source.width);
  return rows;
}

// The forward's moments, packed. Columns make base-2 logits of q, rows natural ones.
void ClusterShapeBackward::build(int threads) {
  parallel_workers(threads, layout_.clusters, [&] {
    return [&, builder = MomentBuilder(input_, metric_)](std::int64_t c) mutable {
      const ClusterMoments& moments = builder.build(c);
      quadratic_.set(c, moments.quadratic, std::sqrt(kLn2 / 2), std::sqrt(2 * kLn2));
      dipole_.set(c, moments.dipole, kLn2, 1);
      values_of_.set(c, moments.values, 1, 1);
      even_[size(c)] = std::min(static_cast<float>(kLn2 / 2) * moments.even, kLargest);
      cap_[size(c)] = std::min(moments.radius, kLargest);
      moments_[size(c)] = moments;
    };
  });
}

// By the factors themselves and queries in natural units.
MomentGradients ClusterShapeBackward::gradients_of(std::int64_t cluster) const {
  MomentGradients by;
  by.quadratic = vectors_of(sums_.quadratic, layout_, cluster, input_.quadratic_rank,
                            input_.head_dim, kLn2 * std::sqrt(2 * kLn2));
  by.dipole = vectors_of(sums_.dipole, layout_, cluster, input_.rank, input_.head_dim, kLn2);
  by.values = vectors_of(sums_.values, layout_, cluster, input_.rank, input_.value_dim, 1);
  if (sums_.even.empty()) return by;
  by.even = kLn2 * kLn2 / 2 * sums_.even[size(cluster)];
  by.radius = kLn2 * sums_.radius[size(cluster)];
  return by;
}

void ClusterShapeBackward::add_to_members(std::int64_t cluster) const {
  const MemberGradients gradients =
      member_gradients(input_, metric_, cluster, moments_[size(cluster)], gradients_of(cluster));
  const IndexList members = input_.clusters->members(cluster);
  for (std::int64_t k = 0; k < members.count; ++k) {
    if (wanted_.key) add_row(gradients.keys.row(k), head_, arguments_.grad_key, members[k]);
    if (wanted_.value) add_row(gradients.values.row(k), head_, arguments_.grad_value, members[k]);
  }
}

void ClusterShapeBackward::finish(int threads) const {
  if (!wanted_.keys()) return;
  parallel_for(threads, layout_.clusters, [&](std::int64_t cluster) { add_to_members(cluster); });
}

ClusterShapeBackward::Worker::Worker(ClusterShapeBackward& owner)
    : owner_(owner),
      queries_(kRows * owner.padded_dim_),
      grads_(kRows * owner.padded_values_dim_),
      products_(kRows * owner.layout_.span *
                std::max(owner.input_.rank, owner.input_.quadratic_rank)),
      slope_products_(kRows * owner.layout_.span * owner.input_.rank),
      row_(owner.layout_.span),
      pulls_(size(kRows)) {
  sums_.quadratic.resize(owner.sums_.quadratic.size());
  sums_.dipole.resize(owner.sums_.dipole.size());
  sums_.values.resize(owner.sums_.values.size());
  sums_.even.resize(owner.sums_.even.size());
  sums_.radius.resize(owner.sums_.radius.size());
}

void ClusterShapeBackward::Worker::flush() {
  move_sums(sums_.quadratic, owner_.sums_.quadratic);
  move_sums(sums_.dipole, owner_.sums_.dipole);
  move_sums(sums_.values, owner_.sums_.values);
  move_sums(sums_.even, owner_.sums_.even);
  move_sums(sums_.radius, owner_.sums_.radius);
}

// Rows from `begin` on, kRows at most.
void ClusterShapeBackward::Worker::load(const Rows& rows, std::int64_t begin) {
  begin_ = begin;
  count_ = std::min(kRows, rows.count - begin);
  const kernels::RowSource queries{rows.queries + begin * rows.query_stride,
                                   DType::f32,
                                   rows.query_stride,
                                   owner_.input_.head_dim,
                                   nullptr,
                                   0,
                                   count_};
  const kernels::RowSource grads{rows.grads + begin * rows.grad_stride,
                                 DType::f32,
                                 rows.grad_stride,
                                 owner_.input_.value_dim,
                                 nullptr,
                                 0,
                                 count_};
  kernels::load_rows(queries, 1.0f, queries_.data(), owner_.padded_dim_, owner_.padded_dim_);
  kernels::load_rows(grads, 1.0f, grads_.data(), owner_.padded_values_dim_,
                     owner_.padded_values_dim_);
}

void ClusterShapeBackward::Worker::add_to_queries(const Rows& rows, const float* products,
                                                  const FactorTable& factors, std::int64_t chunk) {
  if (!owner_.wanted_.query) return;
  const std::int64_t vectors = factors.vectors_of_chunk();
  kernels::gemm({products, vectors, 1}, factors.rows(chunk), count_, owner_.input_.head_dim,
                vectors, rows.grad_query + begin_ * rows.grad_query_stride, rows.grad_query_stride,
                true);
}

void ClusterShapeBackward::Worker::add_dipole(const Rows& rows) {
  if (owner_.input_.rank == 0) return;
  for (std::int64_t begin = 0; begin < rows.count; begin += kRows) {
    load(rows, begin);
    for (std::int64_t chunk = 0; chunk < owner_.layout_.chunks(); ++chunk)
      add_dipole_chunk(rows, chunk);
  }
}

void ClusterShapeBackward::Worker::add_dipole_chunk(const Rows& rows, std::int64_t chunk) {
  const std::int64_t vectors = owner_.dipole_.vectors_of_chunk(), dim = owner_.input_.head_dim,
                     dv = owner_.input_.value_dim, panel = owner_.layout_.panel,
                     query_stride = owner_.padded_dim_, grad_stride = owner_.padded_values_dim_;
  kernels::gemm({queries_.data(), query_stride, 1}, owner_.dipole_.columns(chunk), count_, vectors,
                dim, products_.data(), vectors, false);
  kernels::gemm({grads_.data(), grad_stride, 1}, owner_.values_of_.columns(chunk), count_, vectors,
                dv, slope_products_.data(), vectors, false);
  for (std::int64_t r = 0; r < count_; ++r) weigh_slopes(rows, chunk, r);
  if (!sums_.values.empty())
    kernels::gemm({products_.data(), 1, vectors}, {grads_.data(), panel, grad_stride}, vectors, dv,
                  count_, sums_.values.data() + chunk * vectors * grad_stride, grad_stride, true);
  if (!sums_.dipole.empty())
    kernels::gemm({slope_products_.data(), 1, vectors}, {queries_.data(), panel, query_stride},
                  vectors, dim, count_, sums_.dipole.data() + chunk * vectors * query_stride,
                  query_stride, true);
  add_to_queries(rows, slope_products_.data(), owner_.dipole_, chunk);
}

// The row's products become A P (y . q) and A P (z . g).
void ClusterShapeBackward::Worker::weigh_slopes(const Rows& rows, std::int64_t chunk,
                                                std::int64_t row) {
  const FactorLayout& layout = owner_.layout_;
  const std::int64_t span = layout.span, rank = owner_.input_.rank, count = layout.count(chunk);
  const std::int64_t at = (begin_ + row) * rows.stride + chunk * span;
  float *products = products_.data() + row * rank * span,
        *slopes = slope_products_.data() + row * rank * span, *weights = row_.data();
  const float* share = rows.shares + at;
  float* by_weight = rows.slopes + at;
  for (std::int64_t a = 0; a < rank; ++a) {
    const float *product = products + a * span, *slope = slopes + a * span;
#pragma omp simd
    for (std::int64_t j = 0; j < count; ++j) by_weight[j] += share[j] * product[j] * slope[j];
  }
  std::fill_n(weights, span, 0.0f);
  for (std::int64_t j = 0; j < count; ++j) weights[j] = share[j] * rows.weights[at + j];
  kernels::weigh_products(weights, span, rank, products);
  kernels::weigh_products(weights, span, rank, slopes);
}

void ClusterShapeBackward::Worker::add_quadratic(const Rows& rows) {
  if (owner_.input_.order < 2) return;
  for (std::int64_t begin = 0; begin < rows.count; begin += kRows) {
    load(rows, begin);
    std::fill(pulls_.begin(), pulls_.end(), 0.0f);
    for (std::int64_t chunk = 0; chunk < owner_.layout_.chunks(); ++chunk)
      add_quadratic_chunk(rows, chunk);
    for (std::int64_t r = 0; owner_.wanted_.query && r < count_; ++r) {
      const float* query = queries_.data() + r * owner_.padded_dim_;
      float* grad = rows.grad_query + (begin + r) * rows.grad_query_stride;
      for (std::int64_t d = 0; d < owner_.input_.head_dim; ++d)
        grad[d] += pulls_[size(r)] * query[d];
    }
  }
}

void ClusterShapeBackward::Worker::add_quadratic_chunk(const Rows& rows, std::int64_t chunk) {
  const std::int64_t vectors = owner_.quadratic_.vectors_of_chunk(), dim = owner_.input_.head_dim,
                     stride = owner_.padded_dim_;
  kernels::gemm({queries_.data(), stride, 1}, owner_.quadratic_.columns(chunk), count_, vectors,
                dim, products_.data(), vectors, false);
  for (std::int64_t r = 0; r < count_; ++r) weigh_spread(rows, chunk, r);
  if (!sums_.quadratic.empty())
    kernels::gemm({products_.data(), 1, vectors}, {queries_.data(), owner_.layout_.panel, stride},
                  vectors, dim, count_, sums_.quadratic.data() + chunk * vectors * stride, stride,
                  true);
  add_to_queries(rows, products_.data(), owner_.quadratic_, chunk);
}

// The row's products become G (u . q), or 0 where the cap is in force.
void ClusterShapeBackward::Worker::weigh_spread(const Rows& rows, std::int64_t chunk,
                                                std::int64_t row) {
  const FactorLayout& layout = owner_.layout_;
  const std::int64_t span = layout.span, rank = owner_.input_.quadratic_rank, first = chunk * span;
  const float *query = queries_.data() + row * owner_.padded_dim_,
              *gradient = rows.slopes + (begin_ + row) * rows.stride + first;
  float *products = products_.data() + row * rank * span, *spread = row_.data();
  float length2 = 0;
  for (std::int64_t d = 0; d < owner_.input_.head_dim; ++d) length2 += query[d] * query[d];
  const float length = std::sqrt(length2);
  for (std::int64_t j = 0; j < span; ++j) spread[j] = owner_.even_[size(first + j)] * length2;
  for (std::int64_t a = 0; a < rank; ++a) {
    const float* product = products + a * span;
#pragma omp simd
    for (std::int64_t j = 0; j < span; ++j) spread[j] += product[j] * product[j];
  }
  float pull = 0;
  for (std::int64_t j = 0; j < layout.count(chunk); ++j) {
    const std::size_t c = size(first + j);
    const bool capped = spread[j] > owner_.cap_[c] * length;
    spread[j] = capped ? 0.0f : gradient[j];
    pull += capped ? gradient[j] * owner_.cap_[c] / length : 2 * gradient[j] * owner_.even_[c];
    if (sums_.even.empty()) continue;
    (capped ? sums_.radius[c] : sums_.even[c]) += gradient[j] * (capped ? length : length2);
  }
  std::fill(spread + layout.count(chunk), spread + span, 0.0f);
  pulls_[size(row)] += pull;
  kernels::weigh_products(spread, span, rank, products);
}

}  // namespace subquad
