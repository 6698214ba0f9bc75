#include "llama/model.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/rng.h"
#include "core/threads.h"
#include "kernels/elementwise.h"
#include "llama/linear.h"
#include "ops/nonlinear.h"
#include "ops/norm.h"
#include "ops/row_blocks.h"
#include "ops/stopwatch.h"
#include "subquad/attention.h"
#include "subquad/error.h"

namespace subquad::llama {
namespace {

using ops::Activations;
using ops::for_row_blocks;
using ops::Rows;
using ops::Stopwatch;

// Rows of the feed-forward layer at once: its hidden entries are several times the width.
constexpr std::int64_t kFeedForwardRows = 2048;

// One forward of tokens that follow those in the cache.
class Pass {
 public:
  Pass(const Checkpoint& checkpoint, const RotaryTable& rotary, KvCache& cache,
       std::span<const std::int32_t> tokens, const ForwardOptions& options, ForwardCounts& counts)
      : checkpoint_(checkpoint),
        config_(checkpoint.config),
        rotary_(rotary),
        cache_(cache),
        tokens_(tokens),
        options_(options),
        counts_(counts),
        threads_(resolved_threads(options.threads)),
        rows_(std::ssize(tokens)),
        past_(cache.length()),
        x_(rows_, config_.width),
        normed_(rows_, config_.width),
        branch_(rows_, padded_outputs(config_.width)),
        query_(rows_, padded_outputs(config_.heads * config_.head_dim)),
        key_(rows_, padded_outputs(config_.kv_heads * config_.head_dim)),
        value_(rows_, padded_outputs(config_.kv_heads * config_.head_dim)),
        joined_(rows_, config_.heads * config_.head_dim),
        gate_(std::min(rows_, kFeedForwardRows), padded_outputs(config_.hidden)),
        up_(std::min(rows_, kFeedForwardRows), padded_outputs(config_.hidden)) {}

  Activations run() {
    embed();
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) run_layer(layer);
    normalise(checkpoint_.final_norm);
    counts_.total_s += watch_.lap();
    return std::move(normed_);
  }

 private:
  void run_layer(std::int64_t layer) {
    const LlamaLayer& weights = checkpoint_.layers[static_cast<std::size_t>(layer)];
    project(weights);
    turn_and_store(layer);
    counts_.total_s += watch_.lap();
    const Problem problem = problem_of(layer);
    if (options_.observe) options_.observe(layer, problem);
    watch_.lap();
    attend_with(layer, problem);
    const double attention_s = watch_.lap();
    counts_.attention_s += attention_s;
    multiply(weights.output, {}, joined_.rows(), branch_.rows(), threads_);
    add_branch();
    feed_forward(weights);
    counts_.total_s += attention_s + watch_.lap();
  }

  void embed() {
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      for (std::int64_t r = begin; r < begin + count; ++r)
        widen_row(checkpoint_.embedding, tokens_[static_cast<std::size_t>(r)], x_.rows().row(r));
    });
  }

  // normed = RMS norm of x.
  void normalise(const std::vector<float>& weight) {
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      for (std::int64_t r = begin; r < begin + count; ++r)
        ops::rms_norm(x_.rows().row(r), weight.data(), config_.norm_epsilon, config_.width,
                      normed_.rows().row(r));
    });
  }

  void project(const LlamaLayer& weights) {
    normalise(weights.attention_norm);
    const Rows& normed = normed_.rows();
    multiply(weights.query, weights.query_bias, normed, query_.rows(), threads_);
    multiply(weights.key, weights.key_bias, normed, key_.rows(), threads_);
    multiply(weights.value, weights.value_bias, normed, value_.rows(), threads_);
  }

  // Queries are turned in place; keys are turned and put into the cache with the values.
  void turn_and_store(std::int64_t layer) {
    const std::int64_t dim = config_.head_dim;
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      for (std::int64_t r = begin; r < begin + count; ++r) {
        const std::int64_t position = past_ + r;
        for (std::int64_t h = 0; h < config_.heads; ++h)
          rotary_.turn(position, query_.rows().row(r) + h * dim);
        for (std::int64_t h = 0; h < config_.kv_heads; ++h) {
          float* key = cache_.key(layer, h, position);
          std::copy_n(key_.rows().row(r) + h * dim, dim, key);
          rotary_.turn(position, key);
          std::copy_n(value_.rows().row(r) + h * dim, dim, cache_.value(layer, h, position));
        }
      }
    });
  }

  Problem problem_of(std::int64_t layer) {
    Problem problem;
    problem.query = as_const(query_.heads(0, rows_, 0, config_.heads, config_.head_dim));
    problem.key = cache_.keys(layer, past_ + rows_);
    problem.value = cache_.values(layer, past_ + rows_);
    problem.causal = Causal::bottom_right;
    return problem;
  }

  const std::string& spec_of(std::int64_t layer) const {
    static const std::string exact = "exact";
    return options_.attention.empty() ? exact : options_.attention[static_cast<std::size_t>(layer)];
  }

  // Draws depend on the seed, the layer and the position alone.
  void attend_with(std::int64_t layer, const Problem& problem) {
    const Outputs outputs{joined_.heads(0, rows_, 0, config_.heads, config_.head_dim), {}, {}};
    const Rng rng(options_.seed, past_);
    const Options options{threads_,
                          rng.bits(Purpose::layer_seed, static_cast<std::uint32_t>(layer), 0)};
    count(attend(problem, spec_of(layer), outputs, options), spec_of(layer));
  }

  void count(const Report& report, const std::string& spec) {
    counts_.fallback_rows += report.fallback_rows;
    counts_.negative_rows += report.negative_rows;
    counts_.exact_heads += report.exact_heads;
    counts_.scored_entries += report.scored_entries;
    if (spec != "exact" || all_exact()) counts_.paths.insert(report.path);
  }

  bool all_exact() const {
    return std::all_of(options_.attention.begin(), options_.attention.end(),
                       [](const std::string& spec) { return spec == "exact"; });
  }

  void add_branch() {
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      for (std::int64_t r = begin; r < begin + count; ++r)
        kernels::add(branch_.rows().row(r), config_.width, x_.rows().row(r));
    });
  }

  // x += down(silu(gate n) * up n), n = norm(x).
  void feed_forward(const LlamaLayer& weights) {
    normalise(weights.feed_forward_norm);
    for (std::int64_t first = 0; first < rows_; first += kFeedForwardRows) {
      const std::int64_t count = std::min(kFeedForwardRows, rows_ - first);
      const Rows normed = normed_.rows().slice(first, count);
      const Rows gates = gate_.rows().slice(0, count), ups = up_.rows().slice(0, count);
      multiply(weights.gate, {}, normed, gates, threads_);
      multiply(weights.up, {}, normed, ups, threads_);
      for_row_blocks(threads_, count, 0, [&](std::int64_t begin, std::int64_t rows, float*) {
        for (std::int64_t r = begin; r < begin + rows; ++r)
          ops::silu_gate(ups.row(r), config_.hidden, gates.row(r));
      });
      multiply(weights.down, {}, gates, branch_.rows().slice(first, count), threads_);
    }
    add_branch();
  }

  const Checkpoint& checkpoint_;
  const LlamaConfig& config_;
  const RotaryTable& rotary_;
  KvCache& cache_;
  const std::span<const std::int32_t> tokens_;
  const ForwardOptions& options_;
  ForwardCounts& counts_;
  const int threads_;
  const std::int64_t rows_, past_;
  Activations x_, normed_, branch_, query_, key_, value_, joined_, gate_, up_;
  Stopwatch watch_;
};

// Refuses a context that the rotary embedding was not made for, before anything is allocated.
std::int64_t checked_context(const LlamaConfig& config, const RotaryConfig& rotary,
                             std::int64_t context) {
  if (context < 1) throw_invalid(fmt::format("context: {} is below 1", context));
  if (context > config.context && config.rotary.turns_as(rotary))
    throw_invalid(fmt::format(
        "context: {} tokens are more than the {} that the model was trained on; another rotary "
        "base or scaling (--rope-base, --rope-scaling) may carry it further",
        context, config.context));
  return context;
}

void check_tokens(const LlamaConfig& config, std::span<const std::int32_t> tokens) {
  if (tokens.empty()) throw_invalid("tokens: there are none");
  for (const std::int32_t token : tokens)
    if (token < 0 || token >= config.vocabulary)
      throw_invalid(
          fmt::format("tokens: {} is outside the vocabulary of {}", token, config.vocabulary));
}

}  // namespace

Model::Model(const Checkpoint& checkpoint, const RotaryConfig& rotary, std::int64_t context)
    : checkpoint_(checkpoint),
      rotary_(rotary, checked_context(checkpoint.config, rotary, context)),
      cache_(checkpoint.config, context) {}

ops::Activations Model::append(std::span<const std::int32_t> tokens, const ForwardOptions& options,
                               ForwardCounts& counts) {
  check_tokens(config(), tokens);
  check_threads(options.threads);
  if (std::ssize(tokens) > context() - length())
    throw_invalid(fmt::format("tokens: {} after {} are more than the context of {}", tokens.size(),
                              length(), context()));
  if (!options.attention.empty() && std::ssize(options.attention) != config().layers)
    throw_invalid(fmt::format("attention: {} specs for {} layers", options.attention.size(),
                              config().layers));
  Activations states = Pass(checkpoint_, rotary_, cache_, tokens, options, counts).run();
  cache_.set_length(length() + std::ssize(tokens));
  return states;
}

}  // namespace subquad::llama
