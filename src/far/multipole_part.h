// The multipole part of a head without a causal mask.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "far/clusters/far_clusters.h"
#include "far/fit/far_fit.h"
#include "parts/light.h"
#include "far/multipole_model.h"
#include "far/multipole_options.h"
#include "far/clusters/opened_set.h"
#include "far/clusters/opening_search.h"
#include "far/residual_sample.h"

namespace subquad {

class MultipolePart final : public LightPart {
 public:
  // `head` must outlive the part.
  MultipolePart(const HeadProblem& head, const MultipoleOptions& options, const Rng& rng);

  void begin(const EntrySets& heavy, int threads) override;
  bool wants_exact() const override { return exact_; }
  // With a target error: chooses what each of the heads opens, or which run exactly, so that their
  // errors together stay below it at the least cost.
  static void settle(std::span<MultipolePart* const> heads, double error);

  void add_sets(std::vector<std::unique_ptr<HeavySet>>& sets) override;
  void add_runs(const IndexList& rows, RunList& runs) const override;
  void add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
              RunList& runs) const override;
  void take_out(const HeadProblem& head, RowBlock& rows, const HeavySet& set, std::int64_t group,
                const KeyRun& run, const EntrySets& taken, TileScratch& scratch) const override;
  // Unknown with a sample of the residual.
  Squares squares() const override {
    return residual_ != nullptr ? Squares{} : Squares{trial_.square, out_square_};
  }
  bool row_errors(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                  TileScratch& scratch, float* error) const override;
  // The ridge of the correction in force; 0: there is none.
  double fit_ridge() const { return trial_.fitted && options_.residual == 0 ? options_.ridge : 0; }
  // Groups of rows that share what is opened for them; nullptr without a fit.
  const Partition* groups() const { return groups_.get(); }
  // multipole_backward.h.
  std::unique_ptr<LightBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

 private:
  double cluster_cost() const;
  bool too_dear() const;
  double affordable_keys() const;
  FarSums far_sums() const;
  EntrySets all_heavy() const;
  void fit(const EntrySets& heavy, int threads);
  void draw_probes();
  std::span<const std::int32_t> opened_for(std::int64_t probe) const;
  void measure_probes(const MultipoleModel& model, MultipoleProbes& probes, int threads) const;
  ProbeRows exact_probes(int threads) const;
  void try_next(double target);
  void give_up();
  double square() const;
  void take_trial();
  void release_trials();

  const HeadProblem& head_;
  MultipoleOptions options_;
  Rng rng_;
  EntrySets heavy_;
  bool exact_ = false;
  std::unique_ptr<FarClusters> clusters_;
  std::shared_ptr<const Partition> groups_;
  std::vector<std::int32_t> probes_, group_of_probe_;
  std::unique_ptr<ProbeTable> table_;  // until a trial is taken
  std::unique_ptr<FarFit> fit_;
  ProbeRows exact_rows_;
  std::unique_ptr<OpeningSearch> search_;  // nullptr: nothing but the closed field was tried
  FarTrial trial_;
  double out_square_ = 0;
  FarCoefficients coefficients_;
  std::unique_ptr<ResidualSample> residual_;  // nullptr: none
  std::unique_ptr<OpenedSet> opened_;
  const OpenedSet* opened_set_ = nullptr;  // once the plan owns it
};

}  // namespace subquad
