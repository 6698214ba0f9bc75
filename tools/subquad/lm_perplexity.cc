#include "lm_perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "llama/token_scores.h"
#include "ops/stopwatch.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

double perplexity_of(std::span<const double> log_probability) {
  const double sum = std::accumulate(log_probability.begin(), log_probability.end(), 0.0);
  return std::exp(-sum / static_cast<double>(log_probability.size()));
}

PerplexityRun make_run(const std::string& method, const std::string& layers,
                       const std::vector<std::string>& specs) {
  PerplexityRun run;
  run.method = method;
  run.layers = method == "exact" ? "all" : layers;
  for (std::size_t l = 0; l < specs.size(); ++l)
    if (specs[l] != "exact") run.replaced.push_back(static_cast<std::int64_t>(l));
  return run;
}

// One method over all tokens, chunk by chunk.
class Reader {
 public:
  Reader(const LmSource& source, std::span<const int> tokens, const PerplexitySettings& settings,
         Progress& progress)
      : source_(source), tokens_(tokens), settings_(settings), progress_(progress) {}

  std::int64_t chunk() const {
    return settings_.chunk == 0 ? std::ssize(tokens_) : settings_.chunk;
  }
  std::int64_t steps() const {
    const std::int64_t chunks = (std::ssize(tokens_) + chunk() - 1) / chunk();
    return chunks * (source_.checkpoint.config.layers + 1);
  }

  PerplexityRun run(llama::Model& model, const std::string& method) {
    llama::ForwardOptions options;
    options.attention = specs_of("--method", method, settings_.layers, model.config().layers);
    options.threads = settings_.threads;
    options.seed = settings_.seed;
    options.observe = [&](std::int64_t layer, const Problem&) {
      progress_.step(fmt::format("{}, layer {}", method, layer));
    };
    PerplexityRun run = make_run(method, settings_.layers, options.attention);
    model.clear();
    for (std::int64_t first = 0; first < std::ssize(tokens_); first += chunk())
      add_chunk(model, options, first, run);
    check_finite(run);
    return run;
  }

 private:
  static void check_finite(const PerplexityRun& run) {
    const auto& all = run.log_probability;
    const auto wild =
        std::find_if(all.begin(), all.end(), [](double p) { return !std::isfinite(p); });
    if (wild != all.end())
      throw Error(ErrorKind::failed,
                  fmt::format("{}: the model's prediction of token {} is not finite", run.method,
                              wild - all.begin() + 1));
    if (!std::isfinite(run.perplexity()))
      throw Error(ErrorKind::failed,
                  fmt::format("{}: the perplexity is beyond the largest number", run.method));
  }

  void add_chunk(llama::Model& model, const llama::ForwardOptions& options, std::int64_t first,
                 PerplexityRun& run) {
    const std::int64_t count = std::min(chunk(), std::ssize(tokens_) - first);
    const auto part = [&](std::int64_t begin, std::int64_t length) {
      return tokens_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length));
    };
    const ops::Activations states = model.append(part(first, count), options, run.counts);
    progress_.step(run.method + ", predictions");
    ops::Stopwatch watch;
    const std::int64_t rows = std::min(count, std::ssize(tokens_) - 1 - first);
    const std::vector<double> scores =
        llama::log_probabilities(source_.checkpoint.classifier, states.rows().slice(0, rows),
                                 part(first + 1, rows), settings_.threads);
    run.log_probability.insert(run.log_probability.end(), scores.begin(), scores.end());
    run.counts.total_s += watch.lap();
  }

  const LmSource& source_;
  const std::span<const int> tokens_;
  const PerplexitySettings& settings_;
  Progress& progress_;
};

}  // namespace

double PerplexityRun::perplexity() const { return perplexity_of(log_probability); }

std::optional<double> PerplexityRun::perplexity_last(std::size_t predictions) const {
  if (log_probability.size() < predictions) return {};
  return perplexity_of(std::span(log_probability).last(predictions));
}

std::vector<PerplexityRun> run_perplexity(const LmSource& source, std::span<const int> tokens,
                                          const PerplexitySettings& settings, Progress& progress) {
  std::vector<std::string> methods = settings.methods;
  if (methods.empty()) methods.push_back("exact");
  for (const std::string& method : methods)  // before the work
    specs_of("--method", method, settings.layers, source.checkpoint.config.layers);
  llama::Model model(source.checkpoint, source.rotary, std::ssize(tokens));
  Reader reader(source, tokens, settings, progress);
  progress.expect(static_cast<int>(reader.steps() * std::ssize(methods)));
  std::vector<PerplexityRun> runs;
  for (const std::string& method : methods) runs.push_back(reader.run(model, method));
  return runs;
}

}  // namespace subquad::cli
