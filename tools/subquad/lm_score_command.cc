#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/text.h"
#include "lm_commands.h"
#include "lm_score.h"
#include "lm_tasks.h"
#include "number_text.h"
#include "outputs.h"
#include "run_record.h"
#include "text_table.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ScoreOptions {
  LmOptions lm;
  std::string tasks;
  ScoreSettings settings;
  bool count = false;  // tokens only
};

const char* const examples =
    "Examples:\n"
    "  subquad lm score --model M.gguf --tasks T.jsonl --json scores.json\n"
    "  subquad lm score --model M.gguf --tasks T.jsonl --method exact \\\n"
    "    --method \"sink(4)+window(512)\" --layers last:20\n"
    "Each line of T.jsonl is a task:\n"
    "  {\"id\": \"a\", \"context\": \"Long text.\", \"question\": \" Who spoke? It was\",\n"
    "   \"choices\": [\" Ann\", \" Bob\"], \"answer\": 0}\n"
    "or {\"context\": \"..\", \"continuation\": \"..\"}. id, question and answer may be missing. "
    "Texts "
    "are\n"
    "joined as they are: spaces are yours. Consecutive lines of the same context run it once, by\n"
    "--method in the chosen layers; then, as `lm generate` does, each further token sees the keys "
    "of "
    "all\n"
    "before it by --decode (default exact), and the cache is cut back to the context.\n"
    "Columns: share of right answers when log p of the choices is compared by its sum, per token "
    "and\n"
    "per byte; log p: of the right (or only) choice, per token; context: time of the contexts;\n"
    "choices: of all after them. Guide: docs/guide/lm.md.\n\n";

Json number_json(const Number& number) { return number ? Json(*number) : Json(nullptr); }

std::string paths_of(const llama::ForwardCounts& counts) {
  return fmt::format("{}", fmt::join(counts.paths, "|"));
}

Json task_json(const TaskScore& score) {
  Json json{{"id", score.task->id}, {"choices", Json::array()}};
  for (const ChoiceScore& choice : score.choices)
    json["choices"].push_back({{"log_p", choice.log_probability},
                               {"tokens", choice.tokens},
                               {"bytes", choice.bytes},
                               {"log_p_per_token", score_of(choice, ScoreBy::token)},
                               {"log_p_per_byte", score_of(choice, ScoreBy::byte)}});
  const std::optional<std::int64_t> answer = score.task->answer;
  json["answer"] = answer ? Json(*answer) : Json(nullptr);
  const auto add = [&](const std::string& name, ScoreBy by) {
    json["best_by_" + name] = score.best(by);
    json["right_by_" + name] = answer ? Json(score.best(by) == *answer) : Json(nullptr);
  };
  add("sum", ScoreBy::sum);
  add("token", ScoreBy::token);
  add("byte", ScoreBy::byte);
  return json;
}

Json run_json(const ScoreRun& run, const ScoreOptions& options, const LmSource& source) {
  Json json{{"method", run.method},
            {"decode", options.settings.decode},
            {"layers", run.layers},
            {"replaced", run.replaced},
            {"model", options.lm.model},
            {"input", options.tasks},
            {"rope_base", source.rotary.base},
            {"tasks", run.tasks.size()},
            {"prefills", run.prefills},
            {"prefill_tokens", run.prefill_tokens}};
  json["accuracy_by_sum"] = number_json(run.accuracy(ScoreBy::sum));
  json["accuracy_by_token"] = number_json(run.accuracy(ScoreBy::token));
  json["accuracy_by_byte"] = number_json(run.accuracy(ScoreBy::byte));
  json["mean_log_p_per_token"] = number_json(run.mean_log_probability());
  json["prefill_s"] = run.prefill_s;
  json["score_s"] = run.score_s;
  json["prefill_attention_s"] = run.prefill.attention_s;
  json["decode_attention_s"] = run.decode.attention_s;
  json["fallback_rows"] = run.prefill.fallback_rows + run.decode.fallback_rows;
  json["negative_rows"] = run.prefill.negative_rows + run.decode.negative_rows;
  json["path"] = paths_of(run.prefill);
  json["decode_path"] = paths_of(run.decode);
  json["scores"] = Json::array();
  for (const TaskScore& score : run.tasks) json["scores"].push_back(task_json(score));
  return json;
}

Json report_json(const std::vector<ScoreRun>& runs, const ScoreOptions& options,
                 const LmSource& source) {
  Json json = to_json(machine_record(options.lm.common.threads), std::vector<RunRecord>{});
  for (const ScoreRun& run : runs) json["runs"].push_back(run_json(run, options, source));
  return json;
}

std::string report_text(const std::vector<ScoreRun>& runs, const ScoreOptions& options) {
  std::vector<std::vector<std::string>> rows{
      {"by sum", "by token", "by byte", "log p", "context", "choices", "layers", "method [path]"}};
  for (const ScoreRun& run : runs) {
    const auto share = [&](ScoreBy by) { return percent_text(run.accuracy(by)); };
    const Number log_p = run.mean_log_probability();
    rows.push_back({share(ScoreBy::sum), share(ScoreBy::token), share(ScoreBy::byte),
                    log_p ? fmt::format("{:.4f}", *log_p) : "-", seconds_text(run.prefill_s),
                    seconds_text(run.score_s), run.layers,
                    fmt::format("{}  [{}]", run.method, paths_of(run.prefill))});
  }
  return fmt::format("{} tasks of {}, {} contexts\n", runs[0].tasks.size(), options.tasks,
                     runs[0].prefills) +
         aligned_text(rows);
}

Json count_json(std::span<const TaskGroup> groups) {
  Json counts = Json::array();
  for (const TaskGroup& group : groups)
    for (const TaskTokens& task : group.tasks) {
      Json json{
          {"id", task.task->id}, {"context_tokens", group.shared}, {"choices", Json::array()}};
      for (const ChoiceTokens& choice : task.choices)
        json["choices"].push_back({{"all_tokens", choice.tokens.size()},
                                   {"tokens", std::ssize(choice.tokens) - choice.scored}});
      counts.push_back(json);
    }
  return {{"counts", counts}};
}

std::string count_text(std::span<const TaskGroup> groups) {
  std::vector<std::vector<std::string>> rows{{"context", "with the longest choice", "task"}};
  for (const TaskGroup& group : groups)
    for (const TaskTokens& task : group.tasks) {
      std::size_t longest = 0;
      for (const ChoiceTokens& choice : task.choices)
        longest = std::max(longest, choice.tokens.size());
      rows.push_back(
          {fmt::to_string(group.shared), fmt::to_string(longest), io::printable(task.task->id)});
    }
  return aligned_text(rows);
}

std::vector<ScoreRun> run_tasks(const ScoreOptions& options, const LmSource& source,
                                std::span<const TaskGroup> groups) {
  ScoreSettings settings = options.settings;
  settings.threads = options.lm.common.threads;
  settings.seed = options.lm.common.seed;
  Progress progress("lm score");
  return with_lm_words("--tasks", {},
                       [&] { return run_scores(source, groups, settings, progress); });
}

void run_command(const ScoreOptions& options) {
  std::vector<FileArgument> inputs = model_files(options.lm);
  inputs.push_back({"--tasks", options.tasks});
  check_outputs({{"--json", options.lm.common.json}}, inputs);
  const std::vector<LmTask> tasks = read_tasks(options.tasks);
  const LmSource source = load_lm(options.lm);
  const std::vector<TaskGroup> groups = group_tasks(tasks, source.tokenizer);
  Json json;
  std::string text;
  if (options.count) {
    json = count_json(groups);
    text = count_text(groups);
  } else {
    const std::vector<ScoreRun> runs = run_tasks(options, source, groups);
    json = report_json(runs, options, source);
    text = report_text(runs, options);
  }
  Outputs outputs;
  outputs.add_json(options.lm.common.json, json);
  if (!options.lm.common.json_on_stdout()) fmt::print("{}", text);
  outputs.commit();
}

void add_methods(const Command& command, ScoreSettings& settings) {
  command
      .add_option("--method", settings.methods,
                  "Attention of the contexts in the chosen layers; repeat for several. Default: "
                  "exact")
      .allow_extra_args(false)
      .type_name("SPEC");
  command
      .add_option("--decode", settings.decode,
                  "Attention of questions and choices in the chosen layers")
      .type_name("SPEC")
      .capture_default_str();
  command
      .add_option("--layers", settings.layers,
                  "Which layers get them, counted from 0: all, A, A-B, last:L")
      .type_name("WORD")
      .capture_default_str();
}

}  // namespace

void add_lm_score(const Command& lm) {
  auto options = std::make_shared<ScoreOptions>();
  const Command command = lm.add_subcommand(
      "score", "Which of several continuations a model holds more likely, by several methods");
  command.add_option("--tasks", options->tasks, "JSON lines: contexts, questions, choices")
      .type_name("FILE")
      .required();
  command.add_flag("--count", options->count,
                   "Only say how many tokens the tasks have; the model does not run");
  add_methods(command, options->settings);
  add_lm_options(command, options->lm);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_command(*options); });
}

}  // namespace subquad::cli
