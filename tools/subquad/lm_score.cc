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
    appended_.clear();
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
  void run_context(const ChoiceTokens& any) {
    model_.clear();
    if (shared_ == 0) return;
    const ops::Activations states = model_.append(part(any, 0, shared_), prefill_, run_.prefill);
    last_ = ops::Activations(1, states.rows().stride);
    std::copy_n(states.rows().row(shared_ - 1), states.rows().stride, last_.rows().row(0));
    ++run_.prefills;
    run_.prefill_tokens += shared_;
  }

  TaskScore score(const TaskTokens& task) {
    TaskScore result{task.task, {}};
    for (std::size_t c = 0; c < task.choices.size(); ++c) {
      const ChoiceTokens& choice = task.choices[c];
      const std::vector<double> each = log_probabilities(choice);
      const double sum = std::accumulate(each.begin(), each.end(), 0.0);
      if (!std::isfinite(sum))
        throw Error(ErrorKind::failed, fmt::format("{}: {}: the model's prediction of choice {} is "
                                                   "not finite",
                                                   run_.method, task.task->where, c));
      result.choices.push_back({sum, std::ssize(each), std::ssize(task.task->choices[c])});
    }
    return result;
  }

  // Of the scored tokens. The state before the first may be the context's last.
  std::vector<double> log_probabilities(const ChoiceTokens& choice) {
    const std::int64_t length = std::ssize(choice.tokens), scored = choice.scored;
    std::vector<double> result;
    if (scored == shared_) result = predict(last_.rows(), part(choice, scored, scored + 1));
    const std::int64_t first = std::max(scored, shared_ + 1);
    if (first == length) return result;
    append(part(choice, shared_, length - 1));
    const std::vector<double> rest = predict(
        states_.rows().slice(first - 1 - shared_, length - first), part(choice, first, length));
    result.insert(result.end(), rest.begin(), rest.end());
    return result;
  }

  // states_ of `tokens` after the context; choices that differ in their last token share them.
  void append(std::span<const int> tokens) {
    if (std::equal(tokens.begin(), tokens.end(), appended_.begin(), appended_.end())) return;
    model_.truncate(shared_);
    states_ = model_.append(tokens, decode_, run_.decode);
    appended_.assign(tokens.begin(), tokens.end());
  }

  std::vector<double> predict(const ops::Rows& states, std::span<const int> targets) const {
    return llama::log_probabilities(source_.checkpoint.classifier, states, targets,
                                    prefill_.threads);
  }

  const LmSource& source_;
  llama::Model& model_;
  Progress& progress_;
  ScoreRun& run_;
  llama::ForwardOptions prefill_, decode_;
  std::int64_t shared_ = 0;
  ops::Activations last_{0, 0};    // the context's last state
  ops::Activations states_{0, 0};  // of appended_
  std::vector<int> appended_;
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
