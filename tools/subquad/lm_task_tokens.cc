#include "lm_task_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "subquad/error.h"

namespace subquad::cli {
namespace {

std::int64_t common_prefix(const std::vector<int>& a, const std::vector<int>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

std::vector<int> encode(const tokenizer::Tokenizer& tokenizer, const std::string& text) {
  return tokenizer.encode(text, {.bos = tokenizer.adds_bos(), .special = false});
}

TaskTokens tokens_of(const LmTask& task, const tokenizer::Tokenizer& tokenizer) {
  const std::string before = task.context + task.question;
  const std::vector<int> prefix = encode(tokenizer, before);
  TaskTokens result{&task, {}};
  for (std::size_t c = 0; c < task.choices.size(); ++c) {
    ChoiceTokens choice{encode(tokenizer, before + task.choices[c]), 0};
    choice.scored = common_prefix(prefix, choice.tokens);
    if (choice.scored == 0)
      throw_invalid(
          fmt::format("{}: context: no token comes before choice {}, which needs one to follow",
                      task.where, c));
    if (choice.scored == std::ssize(choice.tokens))
      throw_invalid(fmt::format("{}: choices: number {} adds no token", task.where, c));
    result.choices.push_back(std::move(choice));
  }
  return result;
}

// The prefix never reaches into what is scored.
std::int64_t shared_tokens(const std::vector<int>& context, const std::vector<TaskTokens>& tasks) {
  std::int64_t shared = std::ssize(context);
  for (const TaskTokens& task : tasks)
    for (const ChoiceTokens& choice : task.choices)
      shared = std::min({shared, choice.scored, common_prefix(context, choice.tokens)});
  return shared;
}

}  // namespace

std::vector<TaskGroup> group_tasks(std::span<const LmTask> tasks,
                                   const tokenizer::Tokenizer& tokenizer) {
  std::vector<TaskGroup> groups;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (i == 0 || tasks[i].context != tasks[i - 1].context) groups.emplace_back();
    groups.back().tasks.push_back(tokens_of(tasks[i], tokenizer));
  }
  for (TaskGroup& group : groups)
    group.shared = shared_tokens(encode(tokenizer, group.tasks[0].task->context), group.tasks);
  return groups;
}

}  // namespace subquad::cli
