#include "lm_generate.h"

#include <fmt/format.h>

#include "llama/token_scores.h"
#include "ops/stopwatch.h"
#include "progress.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

void check_context(const LmSource& source, std::int64_t prompt) {
  const llama::LlamaConfig& config = source.checkpoint.config;
  if (config.rotary.turns_as(source.rotary) && prompt >= config.context)
    throw_invalid(fmt::format("prompt: its {} tokens leave no place in the model's context of {}",
                              prompt, config.context));
}

llama::ForwardOptions options_of(const GenerateSettings& settings, const std::string& option,
                                 const std::string& method, std::int64_t depth) {
  llama::ForwardOptions options;
  options.attention = specs_of(option, method, settings.layers, depth);
  options.threads = settings.threads;
  options.seed = settings.sampler.seed;
  return options;
}

ops::Activations run_prompt(llama::Model& model, std::span<const int> prompt,
                            llama::ForwardOptions options, llama::ForwardCounts& counts) {
  Progress progress("lm generate");
  progress.expect(static_cast<int>(model.config().layers));
  options.observe = [&](std::int64_t layer, const Problem&) {
    progress.step(fmt::format("prompt, layer {}", layer));
  };
  return model.append(prompt, options, counts);
}

}  // namespace

Generation generate(const LmSource& source, std::span<const int> prompt,
                    const GenerateSettings& settings,
                    const std::function<void(std::string_view)>& emit) {
  const std::int64_t depth = source.checkpoint.config.layers;
  const llama::ForwardOptions prefill = options_of(settings, "--method", settings.method, depth);
  const llama::ForwardOptions decode = options_of(settings, "--decode", settings.decode, depth);
  check_context(source, std::ssize(prompt));
  llama::Model model(source.checkpoint, source.rotary, std::ssize(prompt) + settings.max_tokens);
  Generation result;
  result.prompt_tokens = std::ssize(prompt);
  ops::Stopwatch watch;
  ops::Activations states = run_prompt(model, prompt, prefill, result.prefill);
  result.prefill_s = watch.lap();
  while (std::ssize(result.tokens) < settings.max_tokens) {
    const float* last = states.rows().row(states.rows().count - 1);
    const std::vector<float> scores =
        llama::logits(source.checkpoint.classifier, last, settings.threads);
    // A model may have more rows than there are tokens.
    const auto known = std::span(scores).first(static_cast<std::size_t>(source.tokenizer.size()));
    const int token = llama::sample_token(known, model.length(), settings.sampler);
    result.ended = source.tokenizer.ends_text(token);
    if (result.ended) break;
    result.tokens.push_back(token);
    result.text += source.tokenizer.bytes_of(token);
    emit(source.tokenizer.bytes_of(token));
    if (std::ssize(result.tokens) < settings.max_tokens)
      states = model.append(std::span(&token, 1), decode, result.decode);
  }
  result.decode_s = watch.lap();
  return result;
}

}  // namespace subquad::cli
