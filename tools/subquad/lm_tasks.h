// Tasks that a language model is scored on: lines of JSON, each a context and what may follow it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace subquad::cli {

struct LmTask {
  std::string where;                   // "--tasks FILE line N", for messages
  std::string id;                      // the line's number where it has none
  std::string context;                 // may be empty
  std::string question;                // follows the context; may be empty
  std::vector<std::string> choices;    // at least one, none empty
  std::optional<std::int64_t> answer;  // which choice is right, from 0
};

// The tasks of a file, in its order; empty lines are none. Throws Error (invalid_argument) that
// names the line and the field of what is wrong, and where there is no task.
std::vector<LmTask> read_tasks(const std::string& path);

}  // namespace subquad::cli
