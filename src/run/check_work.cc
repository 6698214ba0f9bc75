#include "run/check_work.h"

#include <algorithm>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad {
namespace {

// Times exact attention, and multiply-adds: a minute of one core or so.
constexpr double kMostOfExact = 30, kNoMatter = 1e12;

double exact_steps(const HeadProblem& head) {
  return static_cast<double>(head.num_rows()) * static_cast<double>(head.num_keys) *
         static_cast<double>(head.head_dim() + head.value_dim());
}

template <typename Rule>
void check_rule(std::span<const HeadProblem> heads, const Rule& rule) {
  double steps = 0, exact = 0;
  const char* remedy = "";
  for (const HeadProblem& head : heads) {
    const Work work = rule.work(head);
    steps += work.steps;
    exact += exact_steps(head);
    remedy = work.remedy;
  }
  if (steps > std::max(kNoMatter, kMostOfExact * exact))
    throw_invalid(fmt::format(
        "method: with these options it would take about {:.0f} times as long as exact attention; "
        "take {}",
        steps / exact, remedy));
}

}  // namespace

void check_work(std::span<const HeadProblem> heads, const Method& method) {
  for (const auto& rule : method.heavy) check_rule(heads, *rule);
  if (method.light != nullptr) check_rule(heads, *method.light);
}

}  // namespace subquad
