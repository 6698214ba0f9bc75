#include "support/plain_multipole.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace subquad::testing {

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) sum += a[j] * b[j];
  return sum;
}

void add_scaled(double factor, const double* from, std::int64_t n, double* to) {
  for (std::int64_t j = 0; j < n; ++j) to[j] += factor * from[j];
}

Table plain_ridge(const Table& f, const Table& t, double lambda, double mu) {
  const std::int64_t r = f.columns, c = t.columns;
  Table a(r, r), x(r, c);
  for (std::int64_t i = 0; i < f.rows; ++i)
    for (std::int64_t j = 0; j < r; ++j) {
      add_scaled(f.row(i)[j], f.row(i), r, a.row(j));
      add_scaled(f.row(i)[j], t.row(i), c, x.row(j));
    }
  double trace = 0;
  for (std::int64_t j = 0; j < r; ++j) trace += a.row(j)[j];
  if (mu < 0) mu = lambda * trace / static_cast<double>(r);
  for (std::int64_t j = 0; j < r; ++j) a.row(j)[j] += mu;
  for (std::int64_t j = 0; j < r; ++j)
    for (std::int64_t i = 0; i < r; ++i) {
      if (i == j || a.row(j)[j] == 0) continue;
      const double factor = -a.row(i)[j] / a.row(j)[j];
      add_scaled(factor, a.row(j), r, a.row(i));
      add_scaled(factor, x.row(j), c, x.row(i));
    }
  for (std::int64_t j = 0; j < r; ++j)
    for (std::int64_t d = 0; d < c; ++d) x.row(j)[d] /= a.row(j)[j] == 0 ? 1.0 : a.row(j)[j];
  return x;
}

PlainTensors::PlainTensors(const HeadProblem& head)
    : rows(head.num_rows()),
      keys(head.num_keys),
      dim(head.head_dim()),
      value_dim(head.value_dim()),
      query(rows, dim),
      key(keys, dim),
      value(keys, value_dim) {
  const Problem& p = *head.problem;
  const DenseTensor q = read_tensor(p.query), k = read_tensor(p.key), v = read_tensor(p.value);
  const double scale = double{resolved_scale(p)};
  for (std::int64_t i = 0; i < rows; ++i)
    add_scaled(scale, q.row(head.batch, head.query_head(i), head.query_begin + head.position(i)),
               dim, query.row(i));
  for (std::int64_t j = 0; j < keys; ++j) {
    std::copy_n(k.row(head.batch, head.kv_head, head.key_begin + j), dim, key.row(j));
    std::copy_n(v.row(head.batch, head.kv_head, head.key_begin + j), value_dim, value.row(j));
  }
}

Table product(const Table& a, const Table& b) {
  Table result(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < b.rows; ++k)
      add_scaled(a.row(i)[k], b.row(k), b.columns, result.row(i));
  return result;
}

Table transposed(const Table& a) {
  Table result(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) result.row(j)[i] = a.row(i)[j];
  return result;
}

PlainCluster::PlainCluster(const PlainTensors& head, const IndexList& members)
    : mean(at(head.dim), 0.0),
      key_covariance(head.dim, head.dim),
      value_covariance(head.dim, head.value_dim) {
  const auto n = static_cast<double>(members.count);
  for (std::int64_t k = 0; k < members.count; ++k)
    add_scaled(1 / n, head.key.row(members[k]), head.dim, mean.data());
  for (std::int64_t k = 0; k < members.count; ++k) {
    std::vector<double> x(mean.size());
    add_scaled(1, head.key.row(members[k]), head.dim, x.data());
    add_scaled(-1, mean.data(), head.dim, x.data());
    radius = std::max(radius, std::sqrt(dot(x.data(), x.data(), head.dim)));
    for (std::int64_t a = 0; a < head.dim; ++a) {
      add_scaled(x[at(a)] / n, x.data(), head.dim, key_covariance.row(a));
      add_scaled(x[at(a)] / n, head.value.row(members[k]), head.value_dim, value_covariance.row(a));
    }
  }
}

void PlainCluster::restrict(const PlainKept& kept) {
  if (kept.metric.rows == 0) return;
  const std::int64_t dim = kept.metric.rows;
  const Table all = product(key_covariance, kept.metric);
  key_covariance = product(product(kept.spread, key_covariance), transposed(kept.spread));
  const Table part = product(key_covariance, kept.metric);
  double even = 0;
  for (std::int64_t a = 0; a < dim; ++a)
    even += (all.row(a)[a] - part.row(a)[a]) / static_cast<double>(dim);
  for (std::int64_t a = 0; a < dim; ++a) key_covariance.row(a)[a] += std::max(0.0, even);
  value_covariance = product(kept.slope, value_covariance);
}

double PlainCluster::logit(const double* q, int order) const {
  const auto dim = static_cast<std::int64_t>(mean.size());
  double square = 0;
  for (std::int64_t a = 0; order > 1 && a < dim; ++a)
    square += 0.5 * q[a] * dot(q, key_covariance.row(a), dim);
  return dot(q, mean.data(), dim) + std::min(square, std::sqrt(dot(q, q, dim)) * radius);
}

PlainFar::PlainFar(const PlainTensors& head, const Partition& clusters, int order,
                   const std::vector<PlainKept>& kept)
    : head_(head),
      clusters_(clusters),
      order_(order),
      scores(head.rows, head.keys),
      logits(head.rows, clusters.size()),
      reference(at(head.rows), -std::numeric_limits<double>::infinity()),
      heavy(at(head.rows * head.keys), 0),
      opened(at(head.rows * clusters.size()), 0),
      correction(clusters.size(), head.value_dim + 1) {
  for (std::int64_t c = 0; c < clusters.size(); ++c) {
    moments_.emplace_back(head, clusters.members(c));
    if (!kept.empty()) moments_.back().restrict(kept[at(c)]);
  }
  for (std::int64_t i = 0; i < head.rows; ++i) {
    for (std::int64_t j = 0; j < head.keys; ++j) scores.row(i)[j] = head.score(i, j);
    for (std::int64_t c = 0; c < clusters.size(); ++c)
      logits.row(i)[c] = moments_[at(c)].logit(head.query.row(i), order);
    for (std::int64_t j = 0; j < head.keys; ++j)
      reference[at(i)] = std::max(reference[at(i)], scores.row(i)[j]);
    for (std::int64_t c = 0; c < clusters.size(); ++c)
      reference[at(i)] = std::max(reference[at(i)], logits.row(i)[c]);
  }
}

void PlainFar::add_key(double weight, std::int64_t j, double* sums) const {
  add_scaled(weight, head_.value.row(j), head_.value_dim, sums);
  sums[head_.value_dim] += weight;
}

void PlainFar::add_slopes(std::int64_t i, std::int64_t c, double factor, double* sums) const {
  const IndexList members = clusters_.members(c);
  std::int64_t light = 0;
  for (std::int64_t k = 0; k < members.count; ++k) light += is_heavy(i, members[k]) ? 0 : 1;
  for (std::int64_t a = 0; order_ > 0 && a < head_.dim; ++a)
    add_scaled(factor * cluster_weight(i, c) * static_cast<double>(light) * head_.query.row(i)[a],
               moments_[at(c)].value_covariance.row(a), head_.value_dim, sums);
}

std::vector<double> PlainFar::exact(std::int64_t i) const {
  std::vector<double> sums(at(width()), 0.0);
  for (std::int64_t j = 0; j < head_.keys; ++j) add_key(key_weight(i, j), j, sums.data());
  return sums;
}

std::vector<double> PlainFar::estimate(std::int64_t i) const {
  std::vector<double> sums(at(width()), 0.0);
  for (std::int64_t j = 0; j < head_.keys; ++j) {
    const std::int64_t c = cluster_of(j);
    const bool exactly = is_heavy(i, j) || is_opened(i, c);
    add_key(exactly ? key_weight(i, j) : cluster_weight(i, c), j, sums.data());
  }
  for (std::int64_t c = 0; c < clusters_.size(); ++c) {
    if (!is_opened(i, c)) add_slopes(i, c, 1, sums.data());
    add_scaled(cluster_weight(i, c), correction.row(c), width(), sums.data());
  }
  return sums;
}

void PlainFar::add_residual(std::int64_t i, std::int64_t j, double factor, double* sums) const {
  const std::int64_t c = cluster_of(j);
  const double share = factor * cluster_weight(i, c);
  if (is_heavy(i, j) || is_opened(i, c)) return;
  add_key(factor * key_weight(i, j) - share, j, sums);
  for (std::int64_t a = 0; order_ > 0 && a < head_.dim; ++a)
    add_scaled(-share * head_.query.row(i)[a], moments_[at(c)].value_covariance.row(a),
               head_.value_dim, sums);
}

std::vector<double> PlainFar::missed(std::int64_t i) const {
  std::vector<double> sums(at(width()), 0.0);
  for (std::int64_t j = 0; j < head_.keys; ++j)
    if (!is_heavy(i, j) && !is_opened(i, cluster_of(j)))
      add_key(key_weight(i, j) - cluster_weight(i, cluster_of(j)), j, sums.data());
  for (std::int64_t c = 0; c < clusters_.size(); ++c)
    if (!is_opened(i, c)) add_slopes(i, c, -1, sums.data());
  return sums;
}

Table PlainFar::features(const std::vector<std::int32_t>& probes) const {
  Table f(static_cast<std::int64_t>(probes.size()), clusters_.size());
  for (std::int64_t p = 0; p < f.rows; ++p)
    for (std::int64_t c = 0; c < f.columns; ++c)
      f.row(p)[c] = cluster_weight(probes[at(p)], c) *
                    static_cast<double>(clusters_.members(c).count) / exact(probes[at(p)]).back();
  return f;
}

Table PlainFar::targets(const std::vector<std::int32_t>& probes) const {
  Table t(static_cast<std::int64_t>(probes.size()), width());
  for (std::int64_t p = 0; p < t.rows; ++p)
    add_scaled(1 / exact(probes[at(p)]).back(), missed(probes[at(p)]).data(), width(), t.row(p));
  return t;
}

void PlainFar::fit(const std::vector<std::int32_t>& probes, double lambda) {
  correction = plain_ridge(features(probes), targets(probes), lambda);
  for (std::int64_t c = 0; c < correction.rows; ++c)
    for (std::int64_t d = 0; d < width(); ++d)
      correction.row(c)[d] *= static_cast<double>(clusters_.members(c).count);
}

}  // namespace subquad::testing
