#include "verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "number_text.h"

namespace subquad::cli {
namespace {

constexpr double good_error = 0.05;

using Runs = std::vector<const RunRecord*>;

Runs measured_runs(const Comparison& comparison) {
  Runs runs;
  for (const RunRecord& run : comparison.runs)
    if (run.head < 0 && run.rel_fro) runs.push_back(&run);
  return runs;
}

Runs keep(const Runs& runs, const std::function<bool(const RunRecord&)>& wanted) {
  Runs kept;
  for (const RunRecord* run : runs)
    if (wanted(*run)) kept.push_back(run);
  return kept;
}

// "a, b and c".
std::string list(const Runs& runs, const NameWriter& name) {
  std::string text;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i > 0) text += i + 1 == runs.size() ? " and " : ", ";
    text += name(runs[i]->method);
  }
  return text;
}

std::string speed_words(const RunRecord& run) {
  if (run.speed == Speed::exact_code) return "exact's own code";
  if (run.speed == Speed::alike) return "as fast as exact within the noise";
  return fmt::format("{:.3g} times the speed of exact", run.speedup_over_exact.value_or(0));
}

std::string described(const RunRecord& run, const NameWriter& name) {
  return fmt::format("{}, {}, error {}", name(run.method), speed_words(run),
                     error_text(run.rel_fro));
}

bool is_faster(const RunRecord& run) { return run.speed == Speed::faster; }
bool is_good(const RunRecord& run) { return *run.rel_fro <= good_error; }

// `good`: faster than exact, not empty.
std::string fastest_text(const Runs& good, const NameWriter& name) {
  const RunRecord* best = *std::min_element(
      good.begin(), good.end(),
      [](const RunRecord* a, const RunRecord* b) { return *a->median_s < *b->median_s; });
  const Runs tied = keep(good, [&](const RunRecord& run) {
    return &run != best && run.time_low_s && best->time_high_s &&
           *run.time_low_s <= *best->time_high_s;
  });
  std::string text =
      fmt::format("Fastest within {} relative error: {}.", good_error, described(*best, name));
  if (!tied.empty()) text += fmt::format(" As fast within the noise: {}.", list(tied, name));
  return text;
}

std::string no_better_text(const Runs& runs, const NameWriter& name) {
  const RunRecord* closest = *std::min_element(
      runs.begin(), runs.end(),
      [](const RunRecord* a, const RunRecord* b) { return *a->rel_fro < *b->rel_fro; });
  if (is_good(*closest))
    return fmt::format(
        "Exact is the fastest here: nothing within {} relative error is faster beyond the noise.",
        good_error);
  return fmt::format("No method here is within {} relative error; closest: {}.", good_error,
                     described(*closest, name));
}

}  // namespace

std::string verdict(const Comparison& comparison, const NameWriter& name) {
  if (comparison.runs.size() == 1) return "Only exact was run.";
  const Runs runs = measured_runs(comparison);
  if (runs.empty()) return "No errors were measured.";
  const Runs good = keep(runs, [](const RunRecord& run) { return is_good(run) && is_faster(run); });
  std::string text = good.empty() ? no_better_text(runs, name) : fastest_text(good, name);
  const Runs own = keep(runs, [](const RunRecord& r) { return r.speed == Speed::exact_code; });
  if (!own.empty())
    text +=
        fmt::format(" {} {} exact's own code.", list(own, name), own.size() == 1 ? "runs" : "run");
  return text;
}

std::string rounds_text(const Comparison& comparison) {
  const std::int64_t rounds = comparison.runs.front().repeats.value_or(0);
  std::string text =
      rounds == 1 ? "Times of one round" : fmt::format("Times: medians of {} rounds", rounds);
  if (comparison.runs.size() == 1) return text;
  const std::uint64_t seed = comparison.seed;
  if (comparison.seeds == 1) return text + fmt::format("; errors of seed {}", seed);
  return text + fmt::format("; errors: medians over {} seeds, {} to {}", comparison.seeds, seed,
                            seed + static_cast<std::uint64_t>(comparison.seeds - 1));
}

}  // namespace subquad::cli
