#include "planted.h"

#include <cmath>
#include <span>

#include "gaussian.h"

namespace subquad::cli {
namespace {

constexpr float cluster_score = 5, band_score = 5, sink_score = 8;

// What the queries and keys of one key/value head have in common.
struct HeadPlan {
  std::size_t dim;
  std::vector<float> centres, value_centres;  // (clusters, dim): unit length; standard normal
  std::vector<float> sink;                    // unit length
  std::vector<float> frequencies;             // (dim / 2) radians a position
};

void normalise(std::span<float> vector) {
  float sum = 0;
  for (const float x : vector) sum += x * x;
  for (float& x : vector) x /= std::sqrt(sum);
}

std::vector<float> draw(GaussianStream& draws, std::size_t count) {
  std::vector<float> values(count);
  for (float& x : values) x = draws.next();
  return values;
}

HeadPlan make_plan(const PlantedOptions& options, std::uint32_t stream) {
  GaussianStream draws(options.seed, stream);
  const auto dim = static_cast<std::size_t>(options.head_dim);
  const auto clusters = static_cast<std::size_t>(options.clusters);
  HeadPlan plan{dim, draw(draws, clusters * dim), draw(draws, clusters * dim), draw(draws, dim),
                draw(draws, dim / 2)};
  for (std::size_t c = 0; c < clusters; ++c) normalise({plan.centres.data() + c * dim, dim});
  normalise(plan.sink);
  for (float& w : plan.frequencies) w /= static_cast<float>(options.band);
  return plan;
}

// The scale 1/sqrt(dim) turns the product of two such factors into `score`.
float amplitude(float score, std::size_t dim) {
  return std::sqrt(score * std::sqrt(static_cast<float>(dim)));
}

// Random Fourier features: the product of those of i and j is about exp(-(i-j)^2 / (2 band^2)).
void add_position(const HeadPlan& plan, std::int64_t position, std::span<float> row) {
  const std::size_t pairs = plan.frequencies.size();
  if (pairs == 0) return;
  const float size = amplitude(band_score, plan.dim) / std::sqrt(static_cast<float>(pairs));
  for (std::size_t t = 0; t < pairs; ++t) {
    const float angle = plan.frequencies[t] * static_cast<float>(position);
    row[2 * t] += size * std::cos(angle);
    row[2 * t + 1] += size * std::sin(angle);
  }
}

void add_scaled(std::span<float> row, const float* direction, float size) {
  for (std::size_t i = 0; i < row.size(); ++i) row[i] += size * direction[i];
}

// Uniform over the clusters, from the sign-free part of a normal draw.
std::size_t pick_cluster(GaussianStream& draws, std::int64_t clusters) {
  const double uniform = 0.5 * std::erfc(static_cast<double>(draws.next()) / std::sqrt(2.0));
  const auto index = static_cast<std::int64_t>(uniform * static_cast<double>(clusters));
  return static_cast<std::size_t>(std::min(index, clusters - 1));
}

void plant_row(const HeadPlan& plan, std::size_t cluster, std::int64_t position, bool likes_sinks,
               GaussianStream& draws, std::span<float> row) {
  for (float& x : row) x = draws.next();
  add_scaled(row, plan.centres.data() + cluster * plan.dim, amplitude(cluster_score, plan.dim));
  add_position(plan, position, row);
  if (likes_sinks) add_scaled(row, plan.sink.data(), amplitude(sink_score, plan.dim));
}

std::span<float> row_of(std::vector<float>& tensor, std::int64_t row, std::size_t dim) {
  return {tensor.data() + static_cast<std::size_t>(row) * dim, dim};
}

void plant_keys(const PlantedOptions& options, const HeadPlan& plan, std::int64_t head,
                PlantedLayer& layer) {
  GaussianStream draws(options.seed, static_cast<std::uint32_t>(0x10000 + head));
  for (std::int64_t j = 0; j < options.n; ++j) {
    const bool is_sink = j < options.sinks;
    const std::size_t cluster = pick_cluster(draws, options.clusters);
    plant_row(plan, cluster, j, is_sink, draws, row_of(layer.key, head * options.n + j, plan.dim));
    const std::span<float> value = row_of(layer.value, head * options.n + j, plan.dim);
    for (float& x : value) x = (is_sink ? 0.1f : 0.5f) * draws.next();
    if (!is_sink) add_scaled(value, plan.value_centres.data() + cluster * plan.dim, 1);
  }
}

void plant_queries(const PlantedOptions& options, const HeadPlan& plan, std::int64_t head,
                   PlantedLayer& layer) {
  GaussianStream draws(options.seed, static_cast<std::uint32_t>(0x20000 + head));
  for (std::int64_t i = 0; i < options.n; ++i) {
    const std::size_t cluster = pick_cluster(draws, options.clusters);
    plant_row(plan, cluster, i, true, draws, row_of(layer.query, head * options.n + i, plan.dim));
  }
}

}  // namespace

PlantedLayer planted_layer(const PlantedOptions& options) {
  const std::int64_t kv_heads = options.kv_heads > 0 ? options.kv_heads : options.heads;
  const auto count = static_cast<std::size_t>(options.n * options.head_dim);
  PlantedLayer layer;
  layer.query.resize(count * static_cast<std::size_t>(options.heads));
  layer.key.resize(count * static_cast<std::size_t>(kv_heads));
  layer.value.resize(layer.key.size());
  const std::int64_t group = options.heads / kv_heads;
  for (std::int64_t kv = 0; kv < kv_heads; ++kv) {
    const HeadPlan plan = make_plan(options, static_cast<std::uint32_t>(kv));
    plant_keys(options, plan, kv, layer);
    for (std::int64_t g = 0; g < group; ++g) plant_queries(options, plan, kv * group + g, layer);
  }
  return layer;
}

}  // namespace subquad::cli
