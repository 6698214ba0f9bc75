#include "support/cluster_scene.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace subquad::testing {

double ClusterScene::dot(std::int64_t r, const double* x) const {
  double sum = 0;
  for (std::int64_t j = 0; j < head_dim; ++j) sum += double{query(r)[j]} * x[j];
  return sum;
}

ClusterShape ClusterScene::shape(std::int64_t rank, int order, int threads,
                                 std::int64_t quadratic_rank) const {
  ClusterShape::Input input;
  input.keys = keys.data();
  input.values = values.data();
  input.clusters = &clusters;
  input.means = means.data();
  input.metric = metric.data();
  input.head_dim = head_dim;
  input.value_dim = value_dim;
  input.rank = rank;
  input.quadratic_rank = quadratic_rank;
  input.order = order;
  return ClusterShape(input, threads);
}

std::vector<double> ClusterScene::offset(std::int64_t id, std::int64_t c) const {
  std::vector<double> x(at(head_dim));
  for (std::int64_t j = 0; j < head_dim; ++j)
    x[at(j)] = double{keys[at(id * head_dim + j)]} - double{means[at(c * head_dim + j)]};
  return x;
}

std::vector<double> ClusterScene::value_mean(std::int64_t c) const {
  std::vector<double> mean(at(value_dim));
  const IndexList members = clusters.members(c);
  for (std::int64_t i = 0; i < members.count; ++i)
    for (std::int64_t j = 0; j < value_dim; ++j)
      mean[at(j)] += double{values[at(members[i] * value_dim + j)]};
  for (double& x : mean) x /= static_cast<double>(members.count);
  return mean;
}

void finish(ClusterScene& scene) {
  const std::int64_t d = scene.head_dim;
  scene.means.assign(at(scene.count() * d), 0.0f);
  for (std::int64_t c = 0; c < scene.count(); ++c)
    for (std::int64_t j = 0; j < d; ++j) {
      const IndexList members = scene.clusters.members(c);
      double sum = 0;
      for (std::int64_t i = 0; i < members.count; ++i)
        sum += double{scene.keys[at(members[i] * d + j)]};
      scene.means[at(c * d + j)] = static_cast<float>(sum / static_cast<double>(members.count));
    }
  scene.metric.assign(at(d * d), 0.0);
  for (std::int64_t r = 0; r < scene.rows; ++r)
    for (std::int64_t i = 0; i < d; ++i)
      for (std::int64_t j = 0; j < d; ++j)
        scene.metric[at(i * d + j)] +=
            double{scene.query(r)[i]} * double{scene.query(r)[j]} / static_cast<double>(scene.rows);
}

Partition deal(Draw& draw, const std::vector<std::int64_t>& sizes) {
  Partition partition;
  for (std::size_t c = 0; c < sizes.size(); ++c)
    partition.cluster_of.insert(partition.cluster_of.end(), at(sizes[c]),
                                static_cast<std::int32_t>(c));
  for (std::size_t i = partition.cluster_of.size(); i > 1; --i)
    std::swap(partition.cluster_of[i - 1],
              partition.cluster_of[at(draw.integer(0, static_cast<std::int64_t>(i) - 1))]);
  partition.begin = {0};
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    for (std::size_t i = 0; i < partition.cluster_of.size(); ++i)
      if (partition.cluster_of[i] == static_cast<std::int32_t>(c))
        partition.ids.push_back(static_cast<std::int32_t>(i));
    partition.begin.push_back(static_cast<std::int64_t>(partition.ids.size()));
  }
  return partition;
}

ClusterScene random_scene(std::uint64_t seed, std::int64_t head_dim, std::int64_t value_dim,
                          std::int64_t rows, const std::vector<std::int64_t>& sizes,
                          double spread) {
  Draw draw(seed);
  ClusterScene scene{head_dim, value_dim, rows, {}, {}, {}, {}, deal(draw, sizes), {}};
  std::vector<double> mix(at(head_dim * value_dim)), centres(sizes.size() * at(head_dim));
  for (double& x : mix) x = draw.normal();
  for (double& x : centres) x = draw.normal();
  for (const std::int32_t c : scene.clusters.cluster_of) {
    std::vector<double> offset(at(head_dim));
    for (std::size_t j = 0; j < offset.size(); ++j) {
      const double x = draw.normal();
      offset[j] = (x + 0.5 * x * x) / (1 + static_cast<double>(j));
      scene.keys.push_back(
          static_cast<float>(centres[at(c) * at(head_dim) + j] + spread * offset[j]));
    }
    for (std::int64_t j = 0; j < value_dim; ++j) {
      double value = 1 + 0.3 * draw.normal();
      for (std::int64_t k = 0; k < head_dim; ++k)
        value += mix[at(k * value_dim + j)] * offset[at(k)];
      scene.values.push_back(static_cast<float>(value));
    }
  }
  for (std::int64_t i = 0; i < rows * head_dim; ++i)
    scene.queries.push_back(
        static_cast<float>(draw.normal() * (0.4 + 1.0 / static_cast<double>(1 + i % head_dim))));
  finish(scene);
  return scene;
}

double plain_quadratic(const ClusterScene& scene, std::int64_t r, std::int64_t c) {
  const IndexList members = scene.clusters.members(c);
  double sum = 0;
  for (std::int64_t i = 0; i < members.count; ++i) {
    const double s = scene.dot(r, scene.offset(members[i], c).data());
    sum += s * s;
  }
  return kLn2 / 2 * sum / static_cast<double>(members.count);
}

std::vector<double> plain_dipole(const ClusterScene& scene, std::int64_t r, std::int64_t c) {
  const IndexList members = scene.clusters.members(c);
  const std::vector<double> mean = scene.value_mean(c);
  std::vector<double> sum(mean.size());
  for (std::int64_t i = 0; i < members.count; ++i) {
    const double s = kLn2 * scene.dot(r, scene.offset(members[i], c).data());
    for (std::size_t j = 0; j < sum.size(); ++j)
      sum[j] += s * (double{scene.values[at(members[i]) * sum.size() + j]} - mean[j]);
  }
  return sum;
}

std::vector<float> quadratic_of(const ClusterShape& shape, const ClusterScene& scene) {
  std::vector<float> scores(at(scene.rows * scene.count()));
  ClusterShape::Workspace workspace;
  shape.add_quadratic(scene.queries.data(), scene.rows, scores.data(), scene.count(), workspace);
  return scores;
}

std::vector<float> dipole_of(const ClusterShape& shape, const ClusterScene& scene,
                             const std::vector<float>& weights, const std::uint8_t* skip) {
  std::vector<float> o(at(scene.rows * scene.value_dim));
  ClusterShape::Workspace workspace;
  shape.add_dipole(scene.queries.data(), scene.rows, weights.data(), scene.count(), skip, o.data(),
                   scene.value_dim, workspace);
  return o;
}

double root_mean_square(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

double quadratic_error(const ClusterScene& scene, const ClusterShape& shape) {
  const std::vector<float> got = quadratic_of(shape, scene);
  std::vector<double> errors, sizes;
  for (std::int64_t r = 0; r < scene.rows; ++r)
    for (std::int64_t c = 0; c < scene.count(); ++c) {
      sizes.push_back(plain_quadratic(scene, r, c));
      errors.push_back(double{got[at(r * scene.count() + c)]} - sizes.back());
    }
  return root_mean_square(errors) / root_mean_square(sizes);
}

double dipole_error(const ClusterScene& scene, const ClusterShape& shape,
                    const std::uint8_t* skip) {
  Draw draw(99);
  std::vector<float> weights(at(scene.rows * scene.count()));
  for (float& weight : weights) weight = static_cast<float>(draw.unit());
  const std::vector<float> got = dipole_of(shape, scene, weights, skip);
  std::vector<double> errors, sizes;
  for (std::int64_t r = 0; r < scene.rows; ++r) {
    std::vector<double> sum(at(scene.value_dim));
    for (std::int64_t c = 0; c < scene.count(); ++c) {
      if (skip != nullptr && skip[c] != 0) continue;
      const std::vector<double> term = plain_dipole(scene, r, c);
      for (std::size_t j = 0; j < sum.size(); ++j)
        sum[j] += double{weights[at(r * scene.count() + c)]} * term[j];
    }
    for (std::size_t j = 0; j < sum.size(); ++j) {
      errors.push_back(double{got[at(r) * sum.size() + j]} - sum[j]);
      sizes.push_back(sum[j]);
    }
  }
  return root_mean_square(errors) / root_mean_square(sizes);
}

}  // namespace subquad::testing
