// The far field corrected by what it misses at probe rows, and which clusters to open.
//
// source: ours (docs/theory/far_field.md). The residual of the cluster model at p probe rows,
// relative to each row's sum of weights, is regressed by ridge on the same R weights w_c(q): the
// coefficients gain a correction. A cluster is opened for a group of rows where what it misses at
// the group's probes is above a threshold, relative to the output's size.
// use when: always, for attention; a row in a few hundred is evaluated exactly for it.
// do not use for: fewer probes than a few a group when clusters are to be opened.
// cost: p R^2 + R^3 / 3 flops once, 4 p R Dv a trial and its opened keys at the probes; p R floats.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "far/clusters/far_field.h"
#include "index/key_clusters.h"
#include "far/clusters/opening_search.h"
#include "far/fit/probe_table.h"
#include "far/fit/probe_fit.h"

namespace subquad {

// A choice of clusters to open and the fit that goes with it.
struct FarTrial {
  std::vector<float> correction;                  // R x (Dv + 1), joins the prior coefficients
  std::vector<std::vector<std::int32_t>> opened;  // clusters of each group
  double opened_keys = 0;                         // a row, on average
  bool fitted = false;                            // false: the correction is zero
  double square = 0;                              // estimated sum of |error|_2^2 over all rows
  std::vector<float> group_error;  // rms |error|_2 of a row of the group; NaN: no probes
};

class FarFit {
 public:
  struct Input {
    const FarField& far;
    ProbeTable& table;          // made with the prior; measured once something is to be opened
    const Partition& clusters;  // of the keys
    const Partition& groups;    // of the rows
    const std::vector<float>& prior;                  // R x (Dv + 1)
    const std::vector<std::int32_t>& group_of_probe;  // ascending
    const ProbeRows& exact;
    std::span<const double> ridges;  // candidates, relative to the mean squared feature
  };
  // The input's references must outlive the fit.
  FarFit(const Input& input, int threads);

  bool ok() const { return fit_.ok(); }  // false: no candidate gave a fit
  double ridge() const { return fit_.ridge(); }
  // threshold: relative to the root mean square of |out|; infinity opens nothing.
  FarTrial try_opening(double threshold);
  // What each of the thresholds, descending, would open.
  std::vector<OpeningLevel> levels(std::span<const double> thresholds);
  // Sum of |out|_2^2 over all rows, estimated.
  double out_square() const { return out_square_; }

 private:
  // What clusters miss at a group's probes, for those that a trial has opened.
  struct Opened {
    std::vector<std::int32_t> clusters;      // in the order they were evaluated
    std::vector<std::vector<float>> missed;  // each: probes of the group x (Dv + 1)
  };
  std::vector<double> missed_by(std::int64_t group, std::int64_t without) const;
  std::vector<std::int32_t> choose(std::int64_t group, double threshold,
                                   std::int64_t without) const;
  void evaluate(std::int64_t group, const std::vector<std::int32_t>& chosen, ProbeScratch& scratch);
  void target(std::int64_t group, std::int64_t probe, const std::vector<std::int32_t>& opened,
              float* out) const;
  static std::vector<float> features(const Input& input);
  void set_out_square();
  void judge(const std::vector<float>& targets, const std::vector<float>& left,
             FarTrial& trial) const;
  double group_square(std::int64_t group, const std::vector<float>& targets,
                      const std::vector<float>& left, const float* fitted) const;
  void choose_ridge(std::span<const double> candidates);
  FarTrial evaluate_opening(double threshold);

  Input input_;
  int threads_;
  std::int64_t width_;
  double rms_ = 0;  // of |out| over the probes
  double out_square_ = 0;
  FarTrial closed_;  // nothing opened
  ProbeFit fit_;
  std::vector<Range> probes_of_;  // of each group
  std::vector<Opened> opened_;    // of each group
};

}  // namespace subquad
