// A plan with a multipole part, modelled in double precision (plain_multipole.h). Only the choices
// are the library's: its clusters, its heavy entries, its groups of rows and opened clusters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
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

inline MultipoleOptions multipole_options(const std::string& spec) {
  for (const SpecPart& part : parse_spec(spec))
    if (part.name == "multipole") return read_multipole_options(part);
  return {};
}

// The entries that heavy sets, but the opened clusters, hold.
inline std::vector<std::uint8_t> heavy_entries(const HeadProblem& head, const EntrySets& sets) {
  std::vector<std::uint8_t> heavy(at(head.num_rows() * head.num_keys), 0);
  std::vector<float> scores(at(head.num_keys));
  FilterScratch scratch;
  for (std::int64_t i = 0; i < head.num_rows(); ++i) {
    std::fill(scores.begin(), scores.end(), 0.0F);
    for (const EntrySet* set : sets)
      if (dynamic_cast<const OpenedSet*>(set) == nullptr)
        set->remove(index_range(i, i + 1), index_range(0, head.num_keys), scores.data(),
                    head.num_keys, scratch);
    for (std::int64_t j = 0; j < head.num_keys; ++j)
      heavy[at(i * head.num_keys + j)] = scores[at(j)] < 0 ? 1 : 0;
  }
  return heavy;
}

// Groups of the rows that a plan's probes are drawn from; none without a fit, or causal.
inline std::vector<std::vector<std::int32_t>> row_groups(const HeadPlan& plan) {
  std::vector<std::vector<std::int32_t>> groups;
  const auto* part = dynamic_cast<const MultipolePart*>(plan.light().model.get());
  if (part == nullptr || part->groups() == nullptr) return groups;
  for (std::int64_t g = 0; g < part->groups()->size(); ++g) {
    const IndexList rows = part->groups()->members(g);
    groups.emplace_back(rows.ids, rows.ids + rows.count);
  }
  return groups;
}

inline const OpenedSet* opened_set(const EntrySets& sets) {
  for (const EntrySet* set : sets)
    if (const auto* opened = dynamic_cast<const OpenedSet*>(set)) return opened;
  return nullptr;
}

// The probe rows of a head without a causal mask: from each group alike, the first places of a
// shuffle. All rows where `fit` is at least groups * rows.
inline std::vector<std::int32_t> drawn_probes(const std::vector<std::vector<std::int32_t>>& groups,
                                              std::int64_t fit, const Rng& rng) {
  std::vector<std::int32_t> probes;
  const auto count = static_cast<std::int64_t>(groups.size());
  for (std::int64_t g = 0; g < count; ++g) {
    std::vector<std::int32_t> rows = groups[at(g)];
    const auto size = static_cast<std::int64_t>(rows.size());
    const std::int64_t wanted = std::min(size, fit * (g + 1) / count - fit * g / count);
    for (std::int64_t i = 0; i < wanted; ++i) {
      std::swap(rows[at(i)],
                rows[at(i + rng.below(size - i, Purpose::probe, static_cast<std::uint32_t>(g),
                                      static_cast<std::uint32_t>(i)))]);
      probes.push_back(rows[at(i)]);
    }
  }
  return probes;
}

// Out and natural lse of one row from its sums, sink included.
struct PlainRow {
  std::vector<double> out;
  double lse;
};

inline PlainRow finish_row(const HeadProblem& head, std::int64_t row,
                           const std::vector<double>& sums, double reference) {
  double l = sums.back();
  if (!head.problem->sink_logits.empty())
    l += std::exp(double{head.problem->sink_logits[at(head.query_head(row))]} - reference);
  PlainRow result{{sums.begin(), sums.end() - 1}, std::log(l) + reference};
  for (double& o : result.out) o /= l;
  return result;
}

// The sample of the residual that each row has: of the keys below end(first row of its block).
template <typename End>
std::vector<std::vector<std::int32_t>> residual_samples(const HeadPlan& plan, std::int64_t rows,
                                                        std::int64_t samples, const Rng& rng,
                                                        const End& end) {
  std::vector<std::vector<std::int32_t>> drawn(at(rows));
  for (const IndexList& group : plan.passes().back().groups)
    for (std::int64_t i = 0; samples > 0 && i < group.count; ++i)
      drawn[at(group[i])] = sample_without_replacement(
          end(group[0]), samples, rng, static_cast<std::uint32_t>(group[0]), Purpose::residual);
  return drawn;
}

// What a plan with a multipole part gives the rows of a head without a causal mask, with the fit
// that the spec names or without it.
struct PlainPlan {
  PlainPlan(const HeadProblem& head, const std::string& spec, std::uint64_t seed, bool fitted)
      : options(multipole_options(spec)),
        rng(seed, head.kv_head),
        tensors(head),
        clusters(FarClusters::build(head, options.shape, rng, 1)),
        far(tensors, *clusters->keys, options.shape.order) {
    const Method method = parse_method(spec);
    HeadPlan plan(head, method, seed, 1);
    plan.finish(head);
    far.heavy = heavy_entries(head, plan.sets());
    const std::vector<std::vector<std::int32_t>> groups = row_groups(plan);
    if (const OpenedSet* opened = opened_set(plan.sets()))
      for (std::size_t g = 0; g < groups.size(); ++g)
        for (const std::int32_t i : groups[g])
          for (const std::int32_t c : opened->opened(static_cast<std::int64_t>(g)))
            far.opened[at(i * clusters->far->size() + c)] = 1;
    if (fitted && options.fit > 0 && options.residual == 0)
      far.fit(drawn_probes(groups, options.fit, rng), options.ridge);
    sampled = residual_samples(plan, tensors.rows, options.residual, rng,
                               [&](std::int64_t) { return tensors.keys; });
  }
  PlainPlan(const PlainPlan&) = delete;
  PlainPlan& operator=(const PlainPlan&) = delete;

  std::vector<double> estimate(std::int64_t i) const {
    std::vector<double> sums = far.estimate(i);
    const std::vector<std::int32_t>& keys = sampled[at(i)];
    for (const std::int32_t j : keys)
      far.add_residual(i, j, static_cast<double>(tensors.keys) / static_cast<double>(keys.size()),
                       sums.data());
    return sums;
  }

  MultipoleOptions options;
  Rng rng;
  PlainTensors tensors;
  std::unique_ptr<FarClusters> clusters;
  PlainFar far;
  std::vector<std::vector<std::int32_t>> sampled;  // keys of the residual's sample, by row
};

inline std::vector<PlainRow> plain_multipole(const HeadProblem& head, const std::string& spec,
                                             std::uint64_t seed, bool fitted) {
  const PlainPlan plan(head, spec, seed, fitted);
  std::vector<PlainRow> rows;
  for (std::int64_t i = 0; i < plan.tensors.rows; ++i)
    rows.push_back(finish_row(head, i, plan.estimate(i), plan.far.reference[at(i)]));
  return rows;
}

}  // namespace subquad::testing
