#include "density/auto_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/sampling.h"
#include "density/methods.h"

namespace subquad {
namespace {

constexpr std::int64_t kFewQueries = 256, kFewPoints = 2048;
constexpr std::int64_t kProbes = 16, kShare = 64;  // one query in kShare, kProbes at most
constexpr double kGain = 0.9;  // of the best so far: less is within what few probes can tell

std::vector<float> probe_rows(const DensityStore& store, const DensityQueries& queries) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(queries.count));
  std::iota(all.begin(), all.end(), 0);
  const std::int64_t count = std::clamp<std::int64_t>(queries.count / kShare, 8, kProbes);
  std::vector<float> rows;
  for (const std::int32_t i :
       stratified_sample(all, count, Rng(store.seed(), 1), Purpose::density, 0))
    rows.insert(rows.end(), queries.rows + i * queries.dim, queries.rows + (i + 1) * queries.dim);
  return rows;
}

// Runs candidates on the probes and keeps the best.
class Trials {
 public:
  Trials(const DensityStore& store, const DensityQueries& queries, const DensityTarget& target,
         int threads)
      : store_(store), target_(target), threads_(threads), rows_(probe_rows(store, queries)) {
    best_.estimator = make_density_method("exact", store, target, threads);
    work_ = static_cast<double>(store.count());
    said_ = fmt::format("exact {}", store.count());
  }
  double work() const { return work_; }  // a query's, with the best so far

  void add(const char* spec) {
    auto made = make_density_method(spec, store_, target_, threads_);
    const auto count = static_cast<std::int64_t>(rows_.size()) / store_.dim();
    double work = 0;
    for (const DensityEstimate& e :
         made->estimate({rows_.data(), count, store_.dim()}, target_, threads_)) {
      work += e.work / static_cast<double>(count);
      best_.evaluations += e.samples;
    }
    said_ += fmt::format(", {} {:.0f}", made->name(), work);
    if (work >= kGain * work_) return;
    work_ = work;
    best_.estimator = std::move(made);
  }
  AutoChoice finish() {
    best_.reason = fmt::format("work a query by probes, in points: {}", said_);
    return std::move(best_);
  }

 private:
  const DensityStore& store_;
  const DensityTarget& target_;
  int threads_;
  std::vector<float> rows_;
  AutoChoice best_;
  double work_ = 0;
  std::string said_;
};

AutoChoice without_probes(const DensityStore& store, const DensityTarget& target, int threads,
                          const char* spec, const std::string& reason) {
  return {make_density_method(spec, store, target, threads), reason, 0};
}

}  // namespace

AutoChoice choose_density_method(const DensityStore& store, const DensityQueries& queries,
                                 const DensityTarget& target, int threads) {
  if (target.rel_error == 0)
    return without_probes(store, target, threads, "exact", "no error is allowed");
  if (store.count() < kFewPoints)
    return without_probes(store, target, threads, "exact", "few points");
  if (queries.count < kFewQueries)
    return without_probes(store, target, threads, "sampled", "few queries");
  Trials trials(store, queries, target, threads);
  trials.add("sampled");
  // Cells cost about as much as their number of exact queries; they must save several times that.
  const auto n = static_cast<double>(store.count());
  if (store.options().cells ||
      trials.work() * static_cast<double>(queries.count) > 4 * n * std::sqrt(n))
    trials.add("deann");
  return trials.finish();
}

}  // namespace subquad
