#include "vit_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "run_record.h"
#include "vit/block_choice.h"
#include "vit/model.h"
#include "vit/pictures.h"

namespace subquad::cli {
namespace {

// A run, what it needs for the next batch, and what it collects.
struct Entrant {
  VitRun run;
  vit::ForwardOptions options;
  std::optional<vit::NetworkMetrics> metrics;
};

Entrant make_entrant(const vit::Weights& weights, const VitSettings& settings,
                     const std::string& method, const std::vector<bool>& chosen) {
  Entrant entrant;
  entrant.run.method = method;
  entrant.options.threads = settings.threads;
  entrant.options.seed = settings.seed;
  entrant.options.attention.resize(weights.blocks.size());
  for (std::size_t b = 0; b < chosen.size(); ++b) {
    if (!chosen[b]) continue;
    entrant.options.attention[b] = {method, settings.temperature};
    entrant.run.replaced.push_back(static_cast<std::int64_t>(b));
  }
  if (settings.metrics) entrant.metrics.emplace(entrant.options.attention, settings.threads);
  return entrant;
}

std::vector<Entrant> make_entrants(const vit::Weights& weights, const VitSettings& settings) {
  const auto chosen = vit::choose_blocks(settings.layers, weights.depth(), "--layers");
  std::vector<Entrant> entrants;
  entrants.push_back(
      make_entrant(weights, settings, "exact", std::vector<bool>(chosen.size(), false)));
  entrants.back().run.layers = "none";
  for (const std::string& method : settings.methods) {
    if (method == "exact" && settings.temperature == 1) continue;
    entrants.push_back(make_entrant(weights, settings, method, chosen));
    entrants.back().run.layers = settings.layers;
    entrants.back().run.temperature = settings.temperature;
  }
  for (Entrant& entrant : entrants)
    if (entrant.metrics)
      entrant.options.observe = [&metrics = *entrant.metrics](const vit::BranchView& view) {
        metrics.observe(view);
      };
  return entrants;
}

// About 4,096 tokens, so that activations fit the caches, and whole rounds of the threads.
std::int64_t choose_batch(std::int64_t requested, std::int64_t tokens, int threads) {
  if (requested > 0) return requested;
  const std::int64_t rounds = 4096 / (tokens * threads);
  return std::max<std::int64_t>(rounds, 1) * threads;
}

// Pictures [first, first + count) of the folder, ready for the model.
std::vector<float> load_pixels(const vit::Weights& weights, const vit::ImageFolder& folder,
                               std::int64_t size, std::int64_t first, std::int64_t count,
                               int threads) {
  const std::span files(folder.files.begin() + first, static_cast<std::size_t>(count));
  return vit::load_pictures(files, size, weights.config.preprocessing, threads);
}

std::span<const float> picture_logits(const std::vector<float>& logits, std::int64_t classes,
                                      std::int64_t i) {
  return {logits.data() + i * classes, static_cast<std::size_t>(classes)};
}

// Adds one batch's results; returns its logits.
std::vector<float> run_batch(const vit::Weights& weights, const vit::ImageFolder& folder,
                             const vit::Batch& batch, const std::vector<float>& reference,
                             Entrant& entrant) {
  vit::ForwardResult result = vit::forward(weights, batch, entrant.options);
  VitRun& run = entrant.run;
  run.attention_s += result.attention_s;
  run.total_s += result.total_s;
  run.fallback_rows += result.fallback_rows;
  run.negative_rows += result.negative_rows;
  run.exact_heads += result.exact_heads;
  run.scored_entries += result.scored_entries;
  run.paths.merge(result.paths);
  const std::vector<float>& judge = reference.empty() ? result.logits : reference;
  for (std::int64_t i = 0; i < batch.images(); ++i) {
    const auto number = static_cast<std::size_t>(batch.first + i);
    run.agreement.add(picture_logits(result.logits, weights.classes(), i),
                      picture_logits(judge, weights.classes(), i),
                      folder.labels.empty() ? -1 : folder.labels[number]);
  }
  return std::move(result.logits);
}

// The first forward pays for fresh memory and threads: one picture, not counted.
void warm_up(const vit::Weights& weights, const vit::Batch& batch, const VitSettings& settings) {
  vit::ForwardOptions options;
  options.threads = settings.threads;
  vit::forward(weights, batch, options);
}

}  // namespace

VitOutcome run_vit(const vit::Weights& weights, const vit::ImageFolder& folder,
                   const VitSettings& settings, Progress& progress) {
  VitOutcome outcome;
  outcome.resolution = settings.resolution > 0 ? settings.resolution : weights.grid * weights.patch;
  outcome.tokens = vit::token_count(weights, outcome.resolution);
  outcome.has_labels = !folder.labels.empty();
  const int threads = machine_record(settings.threads).threads;
  outcome.batch = choose_batch(settings.batch, outcome.tokens, threads);
  std::vector<Entrant> entrants = make_entrants(weights, settings);
  const std::int64_t images = std::ssize(folder.files);
  const std::int64_t batches = (images + outcome.batch - 1) / outcome.batch;
  progress.expect(static_cast<int>(batches * (std::ssize(entrants) + 1)));
  for (std::int64_t first = 0; first < images; first += outcome.batch) {
    const std::int64_t count = std::min(outcome.batch, images - first);
    progress.step(fmt::format("pictures {} to {} of {}", first + 1, first + count, images));
    const std::vector<float> pixels =
        load_pixels(weights, folder, outcome.resolution, first, count, threads);
    const vit::Batch batch{pixels, outcome.resolution, first};
    if (first == 0) warm_up(weights, batch, settings);
    std::vector<float> reference;
    for (Entrant& entrant : entrants) {
      progress.step(entrant.run.method);
      std::vector<float> logits = run_batch(weights, folder, batch, reference, entrant);
      if (reference.empty()) reference = std::move(logits);
    }
  }
  for (Entrant& entrant : entrants) {
    if (entrant.metrics) entrant.run.metrics = entrant.metrics->means();
    outcome.runs.push_back(std::move(entrant.run));
  }
  return outcome;
}

}  // namespace subquad::cli
