#include "lm_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "config/json_file.h"
#include "config/json_keys.h"
#include "io/text.h"
#include "lm_text.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

using models::JsonKeys;

constexpr std::array<std::string_view, 6> kFields{"id",      "context", "question",
                                                  "choices", "answer",  "continuation"};

void check_fields(const JsonKeys& keys) {
  for (const auto& [key, value] : keys.json().items())
    if (std::find(kFields.begin(), kFields.end(), key) == kFields.end())
      keys.fail(key, "is no field of a task: id, context, question, choices, answer, continuation");
}

std::vector<std::string> choices_of(const JsonKeys& keys) {
  const nlohmann::json* list = keys.find("choices");
  const std::optional<std::string> only = keys.text("continuation");
  if (list != nullptr && only) keys.fail("choices", "given, and a continuation too: one of them");
  if (list == nullptr && !only) keys.fail("choices", "these or a continuation is needed");
  if (only) {
    if (only->empty()) keys.fail("continuation", "is empty");
    return {*only};
  }
  if (!list->is_array()) keys.fail("choices", "must be a list of strings");
  if (list->empty()) keys.fail("choices", "is empty");
  std::vector<std::string> choices;
  for (const nlohmann::json& choice : *list) {
    if (!choice.is_string()) keys.fail("choices", "must be a list of strings");
    choices.push_back(choice.get<std::string>());
    if (choices.back().empty())
      keys.fail("choices", fmt::format("number {} is empty", choices.size() - 1));
  }
  return choices;
}

std::optional<std::int64_t> answer_of(const JsonKeys& keys, std::int64_t choices) {
  const std::optional<std::int64_t> answer = keys.whole("answer");
  if (!answer) return {};
  if (keys.has("continuation")) keys.fail("answer", "a continuation has none");
  if (*answer < 0 || *answer >= choices)
    keys.fail("answer", fmt::format("{} is outside 0 to {}", *answer, choices - 1));
  return answer;
}

LmTask task_of(const nlohmann::json& line, const std::string& where, std::int64_t number) {
  const JsonKeys keys(line, where);
  check_fields(keys);
  LmTask task;
  task.where = where;
  task.id = keys.text("id").value_or(std::to_string(number));
  task.context = keys.text("context").value_or("");
  task.question = keys.text("question").value_or("");
  task.choices = choices_of(keys);
  task.answer = answer_of(keys, std::ssize(task.choices));
  return task;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

}  // namespace

std::vector<LmTask> read_tasks(const std::string& path) {
  const std::string text = read_utf8(path, "--tasks");
  std::vector<LmTask> tasks;
  std::string_view rest = text;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (is_blank(line)) continue;
    const std::string where = fmt::format("--tasks {} line {}", io::printable(path), number);
    tasks.push_back(task_of(models::parse_json(line, where), where, number));
  }
  if (tasks.empty()) throw_invalid(fmt::format("--tasks {}: has no task", io::printable(path)));
  return tasks;
}

}  // namespace subquad::cli
