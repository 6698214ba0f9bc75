// The multipole part of a head without a causal mask.
#pragma once

#include <memory>
#include <vector>

#include "far/clusters/far_clusters.h"
#include "far/fit/far_fit.h"
#include "far/fit/sample_rows.h"
#include "parts/light.h"
#include "far/multipole_model.h"
#include "far/multipole_options.h"
#include "far/clusters/opened_set.h"
#include "far/clusters/opening_search.h"
#include "far/residual_sample.h"

namespace subquad {

// With a target error it opens nothing at first, and shares the error with the other heads.
class MultipolePart final : public Sampler, public Model, public Budget, public SharedError {
 public:
  // `head` and the sets must outlive the part.
  MultipolePart(const HeadProblem& head, const EntrySets& heavy, const MultipoleOptions& options,
                const Rng& rng, int threads);

  // With a sample of the residual: its run.
  void add_runs(const IndexList& rows, RunList& runs) const override;

  const HeavySet* near_field() const override { return opened_.get(); }
  void subtract_near_field(RowBlock& rows, std::int64_t group) override;
  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  // multipole_backward.h.
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

  bool wants_exact() const override { return exact_; }
  // Unknown with a sample of the residual.
  ErrorSquares squares() const override {
    return residual_ != nullptr ? ErrorSquares{} : ErrorSquares{trial_.square, out_square_};
  }

  ErrorSquares expected(std::int64_t) const override {
    return exact_ ? ErrorSquares{} : ErrorSquares{trial_.square, out_square_};
  }
  void lower_error(std::int64_t stage, double square) override;
  void decide() override;

  // The ridge of the correction in force; 0: there is none.
  double fit_ridge() const { return trial_.fitted && options_.residual == 0 ? options_.ridge : 0; }
  // Groups of rows that share what is opened for them; nullptr without a fit.
  const Partition* groups() const { return groups_.get(); }

 private:
  double cluster_cost() const;
  bool too_dear() const;
  double affordable_keys() const;
  FarSums far_sums() const;
  EntrySets all_heavy() const;
  bool build(int threads);
  bool fit(int threads);
  std::span<const std::int32_t> opened_for(std::int64_t probe) const;
  void measure_probes(const MultipoleModel& model, MultipoleProbes& probes, int threads) const;
  ProbeRows exact_probes(int threads) const;
  void take_trial();
  void release_trials();

  const HeadProblem& head_;
  MultipoleOptions options_;
  Rng rng_;
  EntrySets heavy_;
  bool exact_ = false;  // no clusters, or none good enough at a lower cost than exact attention
  std::unique_ptr<FarClusters> clusters_;
  std::shared_ptr<const Partition> groups_;
  SampleRows probes_;
  std::unique_ptr<ProbeTable> table_;  // until a trial is taken
  std::unique_ptr<FarFit> fit_;
  ProbeRows exact_rows_;
  std::unique_ptr<OpeningSearch> search_;  // nullptr: nothing but the closed field was tried
  FarTrial trial_;
  double out_square_ = 0;
  FarCoefficients coefficients_;
  std::unique_ptr<ResidualSample> residual_;  // nullptr: none
  std::unique_ptr<OpenedSet> opened_;         // nullptr: none
};

}  // namespace subquad
