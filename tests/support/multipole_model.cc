#include "support/multipole_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace subquad::testing {

MultipoleOptions multipole_options(const std::string& spec) {
  for (const SpecPart& part : parse_spec(spec))
    if (part.name == "multipole") return read_multipole_options(part);
  return {};
}

std::vector<std::uint8_t> heavy_entries(const HeadProblem& head, const EntrySets& sets) {
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

std::vector<std::vector<std::int32_t>> row_groups(const HeadPlan& plan) {
  std::vector<std::vector<std::int32_t>> groups;
  const auto* part = dynamic_cast<const MultipolePart*>(plan.light().model.get());
  if (part == nullptr || part->groups() == nullptr) return groups;
  for (std::int64_t g = 0; g < part->groups()->size(); ++g) {
    const IndexList rows = part->groups()->members(g);
    groups.emplace_back(rows.ids, rows.ids + rows.count);
  }
  return groups;
}

const OpenedSet* opened_set(const EntrySets& sets) {
  for (const EntrySet* set : sets)
    if (const auto* opened = dynamic_cast<const OpenedSet*>(set)) return opened;
  return nullptr;
}

std::vector<std::int32_t> drawn_probes(const std::vector<std::vector<std::int32_t>>& groups,
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

PlainRow finish_row(const HeadProblem& head, std::int64_t row, const std::vector<double>& sums,
                    double reference) {
  double l = sums.back();
  if (!head.problem->sink_logits.empty())
    l += std::exp(double{head.problem->sink_logits[at(head.query_head(row))]} - reference);
  PlainRow result{{sums.begin(), sums.end() - 1}, std::log(l) + reference};
  for (double& o : result.out) o /= l;
  return result;
}

std::vector<std::vector<std::int32_t>> residual_samples(
    const HeadPlan& plan, std::int64_t rows, std::int64_t samples, const Rng& rng,
    const std::function<std::int64_t(std::int64_t)>& end) {
  std::vector<std::vector<std::int32_t>> drawn(at(rows));
  for (const IndexList& group : plan.passes().back().groups)
    for (std::int64_t i = 0; samples > 0 && i < group.count; ++i)
      drawn[at(group[i])] = sample_without_replacement(
          end(group[0]), samples, rng, static_cast<std::uint32_t>(group[0]), Purpose::residual);
  return drawn;
}

PlainPlan::PlainPlan(const HeadProblem& head, const std::string& spec, std::uint64_t seed,
                     bool fitted)
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

std::vector<double> PlainPlan::estimate(std::int64_t i) const {
  std::vector<double> sums = far.estimate(i);
  const std::vector<std::int32_t>& keys = sampled[at(i)];
  for (const std::int32_t j : keys)
    far.add_residual(i, j, static_cast<double>(tensors.keys) / static_cast<double>(keys.size()),
                     sums.data());
  return sums;
}

std::vector<PlainRow> plain_multipole(const HeadProblem& head, const std::string& spec,
                                      std::uint64_t seed, bool fitted) {
  const PlainPlan plan(head, spec, seed, fitted);
  std::vector<PlainRow> rows;
  for (std::int64_t i = 0; i < plan.tensors.rows; ++i)
    rows.push_back(finish_row(head, i, plan.estimate(i), plan.far.reference[at(i)]));
  return rows;
}

}  // namespace subquad::testing
