#include "vit_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "run_record.h"
#include "subquad/error.h"
#include "config/layer_choice.h"
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
  const auto chosen = models::choose_layers(settings.layers, weights.depth(), "--layers");
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

// Of files [first, first + count) of the folder, those that can be read, by their numbers in it.
vit::Pictures load_some(const vit::Weights& weights, const vit::ImageFolder& folder,
                        std::int64_t size, std::int64_t first, std::int64_t count, int threads) {
  const std::span files(folder.files.begin() + first, static_cast<std::size_t>(count));
  vit::Pictures pictures = vit::load_pictures(files, size, weights.config.preprocessing, threads);
  for (std::int64_t& file : pictures.files) file += first;
  return pictures;
}

std::span<const float> picture_logits(const std::vector<float>& logits, std::int64_t classes,
                                      std::int64_t i) {
  return {logits.data() + i * classes, static_cast<std::size_t>(classes)};
}

// What a batch is judged by.
struct Judge {
  const vit::ImageFolder& folder;
  const std::vector<std::int64_t>& files;  // numbers of the batch's pictures
  std::vector<float> reference;            // exact's logits; empty before exact
  bool predictions;
};

// Adds one batch's results; the first are the reference of the others.
void run_batch(const vit::Weights& weights, const vit::Batch& batch, Judge& judge,
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
  if (judge.reference.empty()) judge.reference = result.logits;
  const std::vector<std::int64_t>& labels = judge.folder.labels;
  for (std::int64_t i = 0; i < batch.images(); ++i) {
    const std::int64_t file = judge.files[static_cast<std::size_t>(i)];
    const auto logits = picture_logits(result.logits, weights.classes(), i);
    run.agreement.add(logits, picture_logits(judge.reference, weights.classes(), i),
                      labels.empty() ? -1 : labels[static_cast<std::size_t>(file)]);
    if (judge.predictions) run.predictions.push_back({file, vit::top_answers(logits, 5)});
  }
}

// The first forward pays for fresh memory and threads: one picture, not counted.
void warm_up(const vit::Weights& weights, const vit::Batch& batch, const VitSettings& settings) {
  vit::ForwardOptions options;
  options.threads = settings.threads;
  vit::forward(weights, batch, options);
}

// The files of `folder` batch by batch, every entrant on each.
class Rounds {
 public:
  Rounds(const vit::Weights& weights, const vit::ImageFolder& folder, const VitSettings& settings,
         VitOutcome& outcome, std::vector<Entrant>& entrants, Progress& progress)
      : weights_(weights),
        folder_(folder),
        settings_(settings),
        outcome_(outcome),
        entrants_(entrants),
        progress_(progress) {}

  void run() {
    const std::int64_t files = std::ssize(folder_.files), each = outcome_.batch;
    const std::int64_t batches = (files + each - 1) / each;
    progress_.expect(static_cast<int>(batches * (std::ssize(entrants_) + 1)));
    for (std::int64_t first = 0; first < files; first += each) {
      const std::int64_t count = std::min(each, files - first);
      progress_.step(fmt::format("pictures {} to {} of {}", first + 1, first + count, files));
      run_files(first, count);
    }
    if (read_ == 0)
      throw_invalid(fmt::format("none of the {} pictures can be read; the first: {}", files,
                                outcome_.complaints.front()));
  }

 private:
  void run_files(std::int64_t first, std::int64_t count) {
    const int threads = machine_record(settings_.threads).threads;
    vit::Pictures pictures =
        load_some(weights_, folder_, outcome_.resolution, first, count, threads);
    for (std::string& complaint : pictures.complaints)
      outcome_.complaints.push_back(std::move(complaint));
    if (pictures.files.empty()) return;
    const vit::Batch batch{pictures.pixels, outcome_.resolution, read_};
    if (read_ == 0) warm_up(weights_, batch, settings_);
    read_ += batch.images();
    Judge judge{folder_, pictures.files, {}, settings_.predictions};
    for (Entrant& entrant : entrants_) {
      progress_.step(entrant.run.method);
      run_batch(weights_, batch, judge, entrant);
    }
  }

  const vit::Weights& weights_;
  const vit::ImageFolder& folder_;
  const VitSettings& settings_;
  VitOutcome& outcome_;
  std::vector<Entrant>& entrants_;
  Progress& progress_;
  std::int64_t read_ = 0;  // pictures so far: the next one's number, which its draws depend on
};

}  // namespace

VitOutcome run_vit(const vit::Weights& weights, const vit::ImageFolder& folder,
                   const VitSettings& settings, Progress& progress) {
  VitOutcome outcome;
  outcome.resolution = settings.resolution > 0 ? settings.resolution : weights.grid * weights.patch;
  outcome.tokens = vit::token_count(weights, outcome.resolution);
  outcome.has_labels = !folder.labels.empty();
  outcome.batch =
      choose_batch(settings.batch, outcome.tokens, machine_record(settings.threads).threads);
  std::vector<Entrant> entrants = make_entrants(weights, settings);
  Rounds(weights, folder, settings, outcome, entrants, progress).run();
  for (Entrant& entrant : entrants) {
    if (entrant.metrics) entrant.run.metrics = entrant.metrics->means();
    outcome.runs.push_back(std::move(entrant.run));
  }
  return outcome;
}

}  // namespace subquad::cli
