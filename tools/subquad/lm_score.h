// Log-likelihoods of what may follow contexts, with exact and with other attention.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llama/model.h"
#include "lm_source.h"
#include "lm_task_tokens.h"
#include "progress.h"

namespace subquad::cli {

struct ScoreSettings {
  std::vector<std::string> methods;  // of the contexts, in this order; none: exact
  std::string decode = "exact";      // of questions and choices
  std::string layers = "all";        // that get them
  int threads = 0;
  std::uint64_t seed = 0;
};

struct ChoiceScore {
  double log_probability = 0;  // summed over its tokens, natural log
  std::int64_t tokens = 0, bytes = 0;
};

// How log-probabilities of choices are compared: as they are, by their tokens, by their bytes.
enum class ScoreBy : std::uint8_t { sum, token, byte };
double score_of(const ChoiceScore& choice, ScoreBy by);

struct TaskScore {
  const LmTask* task = nullptr;
  std::vector<ChoiceScore> choices;

  std::int64_t best(ScoreBy by) const;  // of equal ones the first
};

struct ScoreRun {
  std::string method, layers;
  std::vector<std::int64_t> replaced;  // numbers of layers with another spec than exact
  std::vector<TaskScore> tasks;        // in the file's order
  std::int64_t prefills = 0;           // contexts that were run
  std::int64_t prefill_tokens = 0;     // of these
  double prefill_s = 0;                // contexts
  double score_s = 0;                  // questions and choices
  llama::ForwardCounts prefill, decode;

  // Share of right answers; none where no task has an answer.
  std::optional<double> accuracy(ScoreBy by) const;
  // Mean over tasks of the right choice's (or only one's) log-probability per token; none where no
  // task has one.
  std::optional<double> mean_log_probability() const;
};

// Throws Error (invalid_argument) for texts longer than the model's context (naming the line),
// layers and specs that do not work; Error (failed) for predictions that are not finite.
std::vector<ScoreRun> run_scores(const LmSource& source, std::span<const TaskGroup> groups,
                                 const ScoreSettings& settings, Progress& progress);

}  // namespace subquad::cli
