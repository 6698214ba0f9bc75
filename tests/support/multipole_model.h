// A plan with a multipole part, modelled in double precision (plain_multipole.h). Only the choices
// are the library's: its clusters, its heavy entries, its groups of rows and opened clusters.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "rows/tile_sizes.h"
#include "far/clusters/far_clusters.h"
#include "far/multipole_options.h"
#include "far/multipole_part.h"
#include "far/clusters/opened_set.h"
#include "index/row_groups.h"
#include "core/sampling.h"
#include "parts/spec.h"
#include "run/head_plan.h"
#include "methods/method.h"
#include "support/plain_multipole.h"

namespace subquad::testing {

MultipoleOptions multipole_options(const std::string& spec);

// The entries that heavy sets, but the opened clusters, hold.
std::vector<std::uint8_t> heavy_entries(const HeadProblem& head, const EntrySets& sets);

// Groups of the rows that a plan's probes are drawn from; none without a fit, or causal.
std::vector<std::vector<std::int32_t>> row_groups(const HeadPlan& plan);

const OpenedSet* opened_set(const EntrySets& sets);

// The probe rows of a head without a causal mask: from each group alike, the first places of a
// shuffle. All rows where `fit` is at least groups * rows.
std::vector<std::int32_t> drawn_probes(const std::vector<std::vector<std::int32_t>>& groups,
                                       std::int64_t fit, const Rng& rng);

// Out and natural lse of one row from its sums, sink included.
struct PlainRow {
  std::vector<double> out;
  double lse;
};

PlainRow finish_row(const HeadProblem& head, std::int64_t row, const std::vector<double>& sums,
                    double reference);

// The sample of the residual that each row has: of the keys below end(first row of its block).
std::vector<std::vector<std::int32_t>> residual_samples(
    const HeadPlan& plan, std::int64_t rows, std::int64_t samples, const Rng& rng,
    const std::function<std::int64_t(std::int64_t)>& end);

// What a plan with a multipole part gives the rows of a head without a causal mask, with the fit
// that the spec names or without it.
struct PlainPlan {
  PlainPlan(const HeadProblem& head, const std::string& spec, std::uint64_t seed, bool fitted);
  PlainPlan(const PlainPlan&) = delete;
  PlainPlan& operator=(const PlainPlan&) = delete;

  std::vector<double> estimate(std::int64_t i) const;

  MultipoleOptions options;
  Rng rng;
  PlainTensors tensors;
  std::unique_ptr<FarClusters> clusters;
  PlainFar far;
  std::vector<std::vector<std::int32_t>> sampled;  // keys of the residual's sample, by row
};

std::vector<PlainRow> plain_multipole(const HeadProblem& head, const std::string& spec,
                                      std::uint64_t seed, bool fitted);

}  // namespace subquad::testing
