// The multipole part of a causal head: summaries of finished chunks of keys, and the last chunk
// exactly.
//
// source: ours (docs/theory/far_field.md, section 6). One set of clusters serves all prefixes: a
// prefix of t chunks has its own coefficients, the sums of its keys by cluster and a correction
// fitted to the same probe rows. Rows are taken in blocks by position; a block meets the chunks
// that its first row sees whole by their coefficients, the rest exactly.
// cost: R (D + Dv) + (chunk / 2 + 132) (D + Dv) multiply-adds a row, and p n (D + Dv) for the
// fit.
#pragma once

#include <memory>
#include <vector>

#include "far/clusters/far_clusters.h"
#include "parts/light.h"
#include "far/multipole_model.h"
#include "far/multipole_options.h"
#include "far/fit/probe_table.h"
#include "far/residual_sample.h"

namespace subquad {

class CausalFit;

// Rows by position.
class CausalMultipole final : public Sampler, public Model, public Budget {
 public:
  // `head` and the sets must outlive the part.
  CausalMultipole(const HeadProblem& head, const EntrySets& heavy, const MultipoleOptions& options,
                  const Rng& rng, int threads);

  // The keys behind the rows' prefix, exactly, and with a sample of the residual its run.
  void add_runs(const IndexList& rows, RunList& runs) const override;

  std::unique_ptr<ImpliedEntries> implied() override;
  void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                    TileScratch& scratch, const RunList& runs) override;
  void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const override;
  std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                          int threads) const override;

  bool wants_exact() const override { return exact_; }
  // Unknown with a sample of the residual.
  ErrorSquares squares() const override { return residual_ != nullptr ? ErrorSquares{} : squares_; }

  // The ridge of the corrections in force; 0: there are none.
  double fit_ridge() const { return fitted_ ? options_.ridge : 0; }

 private:
  FarSums far_sums(std::int64_t prefix) const;
  // Chunks that all rows of the row's block see whole.
  std::int64_t prefix_of(std::int64_t row) const;
  bool too_dear() const;
  std::vector<std::vector<float>> prior_prefixes() const;
  void draw_probes();
  void measure_probes(const MultipoleModel& model, MultipoleProbes& probes, int threads) const;
  bool build(int threads);
  bool fit(std::vector<std::vector<float>>& prefixes, int threads);
  struct Judgement {
    ErrorSquares squares;          // over the probes
    std::vector<float> by_prefix;  // rms |error|_2 of a row
  };
  bool choose_fit(const CausalFit& fit, const ProbeRows& exact);
  Judgement judge(const CausalFit& fit, const ProbeRows& exact, bool fitted) const;

  const HeadProblem& head_;
  MultipoleOptions options_;
  Rng rng_;
  EntrySets heavy_;
  Problem open_problem_;  // without the mask
  HeadProblem open_head_;
  std::int64_t chunks_, block_;
  bool exact_ = false;  // no clusters, or not good enough
  std::unique_ptr<FarClusters> clusters_;
  std::vector<std::int32_t> probes_;
  std::vector<FarCoefficients> coefficients_;  // of 1, 2, .. chunks
  std::unique_ptr<ResidualSample> residual_;   // nullptr: none
  std::vector<std::vector<float>> prior_;      // by prefix, where there is one
  std::vector<float> error_;                   // rms |error|_2 of a row, by prefix
  ErrorSquares squares_;
  bool fitted_ = false;  // false: the correction is zero
};

}  // namespace subquad
