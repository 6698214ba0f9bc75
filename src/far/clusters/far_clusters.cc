#include "far/clusters/far_clusters.h"

#include <algorithm>
#include <utility>

#include "rows/head_rows.h"
#include "kernels/pack.h"
#include "far/clusters/pseudo_keys.h"

namespace subquad {
namespace {

Scratch<float> dense_rows(const kernels::RowSource& source) {
  Scratch<float> rows(source.count * source.width);
  if (source.count > 0) kernels::load_rows(source, 1.0f, rows.data(), source.width, source.width);
  return rows;
}

// Summed values and count of each cluster.
std::vector<float> prior_of(const PseudoKeys& clusters, std::int64_t value_dim) {
  std::vector<float> prior;
  for (std::int64_t c = 0; c < clusters.size(); ++c) {
    const auto sum = clusters.sums.begin() + c * value_dim;
    prior.insert(prior.end(), sum, sum + value_dim);
    prior.push_back(clusters.count(c));
  }
  return prior;
}

// (1 / n) sum q q^T over at most 1,024 rows, spread evenly.
std::vector<double> second_moment(const HeadProblem& head) {
  const std::int64_t dim = head.head_dim(),
                     step = std::max<std::int64_t>(1, head.num_rows() / 1024);
  std::vector<double> moment(static_cast<std::size_t>(dim * dim), 0.0);
  std::vector<float> q(static_cast<std::size_t>(dim));
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < head.num_rows(); row += step) {
    if (!has_finite_query(head, row)) continue;
    load_head_rows(head, head.problem->query, index_range(row, row + 1), head.scale_log2, q.data(),
                   dim);
    for (std::size_t a = 0; a < q.size(); ++a)
      for (std::size_t b = 0; b < q.size(); ++b)
        moment[a * q.size() + b] += static_cast<double>(q[a]) * q[b];
    ++count;
  }
  for (double& m : moment) m /= static_cast<double>(std::max<std::int64_t>(1, count));
  return moment;
}

}  // namespace

std::unique_ptr<FarClusters> FarClusters::build(const HeadProblem& head,
                                                const FarShapeOptions& options, const Rng& rng,
                                                int threads) {
  if (!kernels::all_finite(head.keys()) || !kernels::all_finite(head.values())) return nullptr;
  const std::int64_t dim = head.head_dim(), value_dim = head.value_dim();
  const Scratch<float> keys = dense_rows(head.keys()), values = dense_rows(head.values());
  auto result = std::make_unique<FarClusters>();
  PseudoKeys clusters =
      PseudoKeys::build({keys.data(), values.data(), head.num_keys, dim, value_dim},
                        options.clusters, options.clustering, rng, threads);
  result->prior = prior_of(clusters, value_dim);
  std::shared_ptr<ClusterShape> shape;
  if (options.order > 0) {
    const std::vector<double> metric = second_moment(head);
    shape = std::make_shared<ClusterShape>(
        ClusterShape::Input{keys.data(), values.data(), &clusters.keys, clusters.means.data(),
                            metric.data(), dim, value_dim, options.rank, options.order},
        threads);
  }
  result->far =
      std::make_unique<FarField>(std::move(clusters.means), dim, value_dim, std::move(shape));
  result->keys = std::make_shared<Partition>(std::move(clusters.keys));
  return result;
}

bool has_finite_query(const HeadProblem& head, std::int64_t row) {
  const TensorView& query = head.problem->query;
  return kernels::all_finite(
      {head.row_in(query, row), query.dtype, query.stride[2], query.channels(), nullptr, 0, 1});
}

Scratch<float> base2_queries(const HeadProblem& head) {
  const std::int64_t dim = head.head_dim();
  Scratch<float> queries(head.num_rows() * dim);
  load_head_rows(head, head.problem->query, index_range(0, head.num_rows()), head.scale_log2,
                 queries.data(), dim);
  return queries;
}

}  // namespace subquad
