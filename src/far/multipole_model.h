// What the multipole part keeps of a head, as its backward pass reads it, with or without a causal
// mask.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "rows/score_filter.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"
#include "far/clusters/opened_set.h"
#include "far/residual_sample.h"

namespace subquad {

// Prefix t = 1, 2, .. holds the keys below t * segment, and has coefficients of its own. Without a
// causal mask there is one, of all keys.
struct MultipoleModel {
  const HeadProblem* head;
  const FarField* far;
  const Partition* clusters;
  std::vector<std::vector<float>> prior;  // of each prefix, R x (Dv + 1): summed values, count
  std::int64_t segment;
  std::function<std::int64_t(std::int64_t)> prefix_of;  // of a row; 0: none
  const OpenedSet* opened = nullptr;
  const ResidualSample* residual = nullptr;
  EntrySets all_heavy = {};  // with a residual: every heavy set, opened clusters among them

  std::int64_t size() const { return far->size(); }
  std::int64_t width() const { return far->value_dim() + 1; }
  std::int64_t prefixes() const { return static_cast<std::int64_t>(prior.size()); }
  const float* prior_row(std::int64_t prefix, std::int64_t cluster) const {
    return prior[static_cast<std::size_t>(prefix - 1)].data() + cluster * width();
  }
  // Keys of the cluster in the longest prefix: the scale of its correction.
  float count(std::int64_t cluster) const { return prior_row(prefixes(), cluster)[width() - 1]; }
};

// The probe rows of the fit and what they missed. Empty rows: no fit.
struct MultipoleProbes {
  const HeadProblem* head;  // without a causal mask
  IndexList rows = {};
  EntrySets heavy = {};
  bool heavy_in_total = true;           // with their own weights, else with those of their clusters
  std::vector<double> log2_total = {};  // of each probe's sum of weights
  // Relative to it, what the clusters left closed miss of each segment: p x prefixes x (Dv + 1).
  std::vector<float> missed = {};
  std::vector<std::int32_t> group = {};  // of the opened set; empty: none is opened
  double ridge = 0;
};

}  // namespace subquad
