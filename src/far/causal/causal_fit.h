// The fit of a causal far field: one set of features, a correction for each prefix of chunks.
//
// source: ours (docs/theory/far_field.md, section 6); far_fit.h without opening. All probes
// serve all prefixes, relative to their sum of weights over all chunks.
// cost: p R^2 + R^3 / 3 + 4 p R chunks (Dv + 1) flops; (p + R) chunks (Dv + 1) floats.
#pragma once

#include <cstdint>
#include <vector>

#include "far/fit/probe_table.h"
#include "far/fit/probe_fit.h"

namespace subquad {

class CausalFit {
 public:
  // table: slices are the chunks. counts: keys of each cluster in all chunks.
  CausalFit(const ProbeTable& table, std::vector<float> counts, double ridge, int threads);

  bool ok() const { return fit_.ok(); }
  // The probe's sum of weights over all chunks, relative to the table's reference.
  double total(std::int64_t probe) const { return totals_[static_cast<std::size_t>(probe)]; }
  // What the far field of `prefix` chunks (1, 2, ..) misses at the probe, relative to its total: by
  // the plain coefficients, and by the fit without the probe. Dv + 1 numbers each.
  void missed(std::int64_t probe, std::int64_t prefix, float* plain, float* fitted) const;
  // Adds the corrections to the coefficients (R x (Dv + 1)) of 1, 2, .. chunks.
  void add_to(std::vector<std::vector<float>>& prefixes) const;

 private:
  std::vector<float> features(const ProbeTable& table);
  void set_targets(const ProbeTable& table);

  std::int64_t probes_, clusters_, chunks_, width_;
  std::vector<float> counts_;
  std::vector<double> totals_;
  ProbeFit fit_;
  std::vector<float> targets_;     // p x (chunks x (Dv + 1)): what each prefix misses
  std::vector<float> correction_;  // R x (chunks x (Dv + 1)), relative to the counts
};

}  // namespace subquad
