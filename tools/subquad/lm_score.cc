#include "lm_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "llama/token_scores.h"
#include "ops/stopwatch.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

std::span<const int> part(const ChoiceTokens& choice, std::int64_t begin, std::int64_t end) {
  return std::span(choice.tokens)
      .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

// Of the longest text. Refuses one that the model was not trained on, as Model does, by its line.
std::int64_t needed_context(const LmSource& source, std::span<const TaskGroup> groups) {
  const llama::LlamaConfig& config = source.checkpoint.config;
  std::int64_t longest = 0;
  for (const TaskGroup& group : groups)
    for (const TaskTokens& task : group.tasks)
      for (const ChoiceTokens& choice : task.choices) {
        longest = std::max(longest, std::ssize(choice.tokens));
        if (longest > config.context && config.rotary.turns_as(source.rotary))
          throw_invalid(
              fmt::format("{}: context: with question and choice {} tokens, more than the {} that "
                          "the model was trained on; --rope-base or --rope-scaling may carry it "
                          "further",
                          task.task->where, longest, config.context));
      }
  return longest;
}

std::vector<std::int64_t> replaced_layers(const std::vector<std::string>& specs,
                                          const std::vector<std::string>& decode) {
  std::vector<std::int64_t> replaced;
  for (std::size_t l = 0; l < specs.size(); ++l)
    if (specs[l] != "exact" || decode[l] != "exact")
      replaced.push_back(static_cast<std::int64_t>(l));
  return replaced;
}

// Leading tokens that all choices have in common, but for the last token of each, after which
// nothing is predicted.
std::int64_t common_tokens(const TaskTokens& task) {
  const std::vector<int>& first = task.choices[0].tokens;
  std::int64_t common = std::ssize(first) - 1;
  for (const ChoiceTokens& choice : task.choices) {
    const auto end = choice.tokens.end() - 1;
    common = std::min<std::int64_t>(
        common, std::mismatch(first.begin(), first.end(), choice.tokens.begin(), end).first -
                    first.begin());
  }
  return common;
}

// One method over all groups.
class Scorer {
 public:
  Scorer(const LmSource& source, llama::Model& model, const ScoreSettings& settings,
         Progress& progress, ScoreRun& run)
      : source_(source), model_(model), progress_(progress), run_(run) {
    const auto options = [&](const std::string& option, const std::string& spec) {
      llama::ForwardOptions result;
      result.attention = specs_of(option, spec, settings.layers, model.config().layers);
      result.threads = settings.threads;
      result.seed = settings.seed;
      return result;
    };
    prefill_ = options("--method", run.method);
    decode_ = options("--decode", settings.decode);
    run_.replaced = replaced_layers(prefill_.attention, decode_.attention);
    run_.layers = run_.replaced.empty() ? "all" : settings.layers;
    prefill_.observe = [this](std::int64_t layer, const Problem&) {
      progress_.step(fmt::format("{}, context, layer {}", run_.method, layer));
    };
  }

  void add(const TaskGroup& group) {
    shared_ = group.shared;
    watch_.lap();
    run_context(group.tasks[0].choices[0]);
    run_.prefill_s += watch_.lap();
    for (const TaskTokens& task : group.tasks) {
      progress_.step(fmt::format("{}, {}", run_.method, task.task->id));
      run_.tasks.push_back(score(task));
    }
    run_.score_s += watch_.lap();
  }

 private:
  // What was appended to the cache from position `begin` on, and its states.
  struct Stretch {
    std::int64_t begin = 0;
    ops::Activations states{0, 0};
  };

  void run_context(const ChoiceTokens& any) {
    model_.clear();
    context_ = {};
    if (shared_ == 0) return;
    context_.states = model_.append(part(any, 0, shared_), prefill_, run_.prefill);
    ++run_.prefills;
    run_.prefill_tokens += shared_;
  }

  // Appends positions [begin, end) of a text to the cache, cut back to `begin`.
  Stretch append(const ChoiceTokens& choice, std::int64_t begin, std::int64_t end) {
    model_.truncate(begin);
    Stretch stretch{begin, {0, 0}};
    if (begin < end) stretch.states = model_.append(part(choice, begin, end), decode_, run_.decode);
    return stretch;
  }

  TaskScore score(const TaskTokens& task) {
    TaskScore result{task.task, {}};
    const std::int64_t common = common_tokens(task);
    const Stretch question = append(task.choices[0], shared_, common);
    for (std::size_t c = 0; c < task.choices.size(); ++c) {
      const ChoiceTokens& choice = task.choices[c];
      const Stretch rest = append(choice, common, std::ssize(choice.tokens) - 1);
      const double sum = log_probability(choice, question, rest);
      if (!std::isfinite(sum))
        throw Error(ErrorKind::failed,
                    fmt::format("{}: {}: the model's prediction of choice {} is not finite",
                                run_.method, task.task->where, c));
      result.choices.push_back(
          {sum, std::ssize(choice.tokens) - choice.scored, std::ssize(task.task->choices[c])});
    }
    return result;
  }

  // Of the scored tokens, each from the state before it.
  double log_probability(const ChoiceTokens& choice, const Stretch& question,
                         const Stretch& rest) const {
    const std::int64_t length = std::ssize(choice.tokens), scored = choice.scored;
    const std::int64_t width = model_.config().width;
    const ops::Activations states(length - scored, width);
    for (std::int64_t p = scored - 1; p < length - 1; ++p) {
      const Stretch& from = p >= rest.begin ? rest : p >= question.begin ? question : context_;
      std::copy_n(from.states.rows().row(p - from.begin), width, states.rows().row(p - scored + 1));
    }
    const std::vector<double> each =
        llama::log_probabilities(source_.checkpoint.classifier, states.rows(),
                                 part(choice, scored, length), prefill_.threads);
    return std::accumulate(each.begin(), each.end(), 0.0);
  }

  const LmSource& source_;
  llama::Model& model_;
  Progress& progress_;
  ScoreRun& run_;
  llama::ForwardOptions prefill_, decode_;
  std::int64_t shared_ = 0;
  Stretch context_;
  ops::Stopwatch watch_;
};

}  // namespace

double score_of(const ChoiceScore& choice, ScoreBy by) {
  if (by == ScoreBy::sum) return choice.log_probability;
  return choice.log_probability /
         static_cast<double>(by == ScoreBy::token ? choice.tokens : choice.bytes);
}

std::int64_t TaskScore::best(ScoreBy by) const {
  return std::max_element(choices.begin(), choices.end(),
                          [by](const ChoiceScore& a, const ChoiceScore& b) {
                            return score_of(a, by) < score_of(b, by);
                          }) -
         choices.begin();
}

std::optional<double> ScoreRun::accuracy(ScoreBy by) const {
  double answered = 0, right = 0;
  for (const TaskScore& score : tasks) {
    if (!score.task->answer) continue;
    ++answered;
    right += score.best(by) == *score.task->answer ? 1 : 0;
  }
  if (answered == 0) return {};
  return right / answered;
}

std::optional<double> ScoreRun::mean_log_probability() const {
  double count = 0, sum = 0;
  for (const TaskScore& score : tasks) {
    if (!score.task->answer && score.choices.size() > 1) continue;
    ++count;
    sum += score_of(score.choices[static_cast<std::size_t>(score.task->answer.value_or(0))],
                    ScoreBy::token);
  }
  if (count == 0) return {};
  return sum / count;
}

std::vector<ScoreRun> run_scores(const LmSource& source, std::span<const TaskGroup> groups,
                                 const ScoreSettings& settings, Progress& progress) {
  std::vector<std::string> methods = settings.methods;
  if (methods.empty()) methods.emplace_back("exact");
  const std::int64_t depth = source.checkpoint.config.layers;
  for (const std::string& method : methods)  // before the work
    specs_of("--method", method, settings.layers, depth);
  specs_of("--decode", settings.decode, settings.layers, depth);
  llama::Model model(source.checkpoint, source.rotary, needed_context(source, groups));
  std::int64_t steps = std::ssize(groups) * depth;
  for (const TaskGroup& group : groups) steps += std::ssize(group.tasks);
  progress.expect(static_cast<int>(steps * std::ssize(methods)));
  std::vector<ScoreRun> runs(methods.size());
  for (std::size_t m = 0; m < methods.size(); ++m) {
    runs[m].method = methods[m];
    Scorer scorer(source, model, settings, progress, runs[m]);
    for (const TaskGroup& group : groups) scorer.add(group);
  }
  return runs;
}

}  // namespace subquad::cli
