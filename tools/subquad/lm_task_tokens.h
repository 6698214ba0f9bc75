// The tokens of tasks, and which of them a model sees once.
//
// A choice's text is context + question + choice, encoded whole, as a model would meet it. Its
// scored tokens are those after the longest common prefix with the tokens of context + question
// alone: where the tokenizer merges across the boundary, the merged token is scored. Consecutive
// tasks of the same context share the longest prefix that the tokens of the context have in common
// with all their texts: all of them, but for a last one that some question merges with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lm_tasks.h"
#include "tokenizer/tokenizer.h"

namespace subquad::cli {

struct ChoiceTokens {
  std::vector<int> tokens;  // of context, question and choice
  std::int64_t scored = 0;  // the first scored one; at least 1
};

struct TaskTokens {
  const LmTask* task = nullptr;
  std::vector<ChoiceTokens> choices;
};

struct TaskGroup {
  std::int64_t shared = 0;        // leading tokens that every text of the group begins with
  std::vector<TaskTokens> tasks;  // of one context
};

// `tasks` must outlive the result. Throws Error (invalid_argument) that names the line: nothing
// comes before a choice, or it adds no tokens.
std::vector<TaskGroup> group_tasks(std::span<const LmTask> tasks,
                                   const tokenizer::Tokenizer& tokenizer);

}  // namespace subquad::cli
