#include "far/causal/multipole_causal.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <limits>
#include <utility>

#include "rows/tile_sizes.h"
#include "kernels/pack.h"
#include "exact/tile_forward.h"
#include "far/causal/causal_fit.h"
#include "far/clusters/cluster_entries.h"
#include "core/sampling.h"

namespace subquad {
namespace {

constexpr double kMargin = 0.9;  // of the target error, for the leave-one-out error
constexpr double kRidge = 1e-3;
constexpr std::uint32_t kProbeStream = 1u << 31;

// What a key of a probe (which meets all keys, and twice), a cluster and a key of a row's last
// chunk cost in keys of exact attention; by Arithmetic, as in far/multipole_part.cc.
struct Costs {
  double probe, cluster, key;
};
constexpr Costs kCosts[] = {{3, 1, 1}, {4.5, 2, 1.5}, {10, 6, 2.5}};

}  // namespace

CausalMultipole::CausalMultipole(const HeadProblem& head, const EntrySets& heavy,
                                 const MultipoleOptions& options, const Rng& rng, int threads)
    : head_(head),
      options_(options),
      rng_(rng),
      heavy_(heavy),
      open_problem_(*head.problem),
      open_head_(head),
      chunks_(head.num_keys / options.chunk),
      block_(row_block_size(head.head_dim(), head.value_dim())) {
  if (options_.ridge == 0) options_.ridge = kRidge;
  open_problem_.causal = Causal::none;
  open_head_.problem = &open_problem_;
  // Chunks that no row sees whole are not summed.
  chunks_ = std::min(chunks_, std::max<std::int64_t>(0, prefix_of(head.num_rows() - 1)));
  exact_ = !build(threads);
}

std::int64_t CausalMultipole::prefix_of(std::int64_t row) const {
  return std::min(chunks_, head_.visible(row / block_ * block_).end / options_.chunk);
}

bool CausalMultipole::too_dear() const {
  if (options_.error == 0 || options_.always) return false;
  const auto rows = static_cast<double>(head_.num_rows());
  double seen = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const Range keys = head_.visible((2 * i + 1) * head_.num_rows() / 128);
    seen += static_cast<double>(keys.end - keys.begin) / 64;
  }
  const Costs& costs = kCosts[static_cast<std::size_t>(arithmetic_of(head_))];
  const double probes =
      static_cast<double>(options_.fit) * costs.probe * static_cast<double>(head_.num_keys) / rows;
  const double far = costs.cluster * static_cast<double>(options_.shape.clusters) +
                     costs.key * (static_cast<double>(options_.chunk / 2) + 264);
  return probes + far > options_.margin * seen;
}

// For 1, 2, .. chunks: summed values and counts of their keys, by cluster.
std::vector<std::vector<float>> CausalMultipole::prior_prefixes() const {
  const std::int64_t dv = head_.value_dim(), width = dv + 1;
  std::vector<double> sum(static_cast<std::size_t>(clusters_->far->size() * width), 0.0);
  std::vector<float> value(static_cast<std::size_t>(dv));
  std::vector<std::vector<float>> prefixes;
  for (std::int64_t key = 0; key < chunks_ * options_.chunk; ++key) {
    kernels::load_rows(head_.values().slice(key, 1), 1.0f, value.data(), dv, dv);
    double* row = sum.data() + clusters_->keys->cluster_of[static_cast<std::size_t>(key)] * width;
    for (std::int64_t d = 0; d < dv; ++d) row[d] += value[static_cast<std::size_t>(d)];
    row[dv] += 1;
    if ((key + 1) % options_.chunk == 0) prefixes.emplace_back(sum.begin(), sum.end());
  }
  return prefixes;
}

// False: exact attention is the better choice.
bool CausalMultipole::build(int threads) {
  if (chunks_ == 0 || too_dear()) return false;
  clusters_ = FarClusters::build(head_, options_.shape, rng_, threads);
  if (clusters_ == nullptr) return false;
  std::vector<std::vector<float>> prefixes = prior_prefixes();
  if (options_.fit > 0 && !fit(prefixes, threads)) return false;
  for (const std::vector<float>& prefix : prefixes)
    coefficients_.emplace_back(prefix.data(), head_.value_dim() + 1, clusters_->far->size());
  if (options_.residual == 0) return true;
  prior_ = std::move(prefixes);
  residual_ = std::make_unique<ResidualSample>(head_, *clusters_->far, *clusters_->keys,
                                               options_.residual, rng_);
  return true;
}

FarSums CausalMultipole::far_sums(std::int64_t prefix) const {
  return {prior_[static_cast<std::size_t>(prefix - 1)].data(), prefix * options_.chunk};
}

// Rows whose queries are finite, in order of position.
void CausalMultipole::draw_probes() {
  for (const std::int32_t probe :
       sample_without_replacement(head_.num_rows(), options_.fit, rng_, kProbeStream))
    if (has_finite_query(head_, probe)) probes_.push_back(probe);
}

// Adds to each prefix what its far field misses at the probes, if that helps.
bool CausalMultipole::fit(std::vector<std::vector<float>>& prefixes, int threads) {
  draw_probes();
  const IndexList probes{probes_.data(), 0, std::ssize(probes_), true};
  std::vector<IndexList> segments;
  for (std::int64_t t = 0; t < chunks_; ++t)
    segments.push_back(index_range(t * options_.chunk, (t + 1) * options_.chunk));
  if (probes.count == 0) return false;
  const ProbeTable table(
      {open_head_, *clusters_->far, *clusters_->keys, probes, heavy_, nullptr, segments}, threads);
  if (!table.finite()) return false;
  std::vector<float> counts;
  const std::int64_t width = head_.value_dim() + 1;
  for (std::int64_t c = 0; c < clusters_->far->size(); ++c)
    counts.push_back(prefixes.back()[static_cast<std::size_t>(c * width + width - 1)]);
  const CausalFit fit(table, std::move(counts), options_.ridge, threads);
  if (!fit.ok()) return false;
  const bool good = choose_fit(fit, evaluate_probes(head_, probes, table, threads));
  if (fitted_) fit.add_to(prefixes);
  return good;
}

// Whether the fit is in force: by the errors of the probes' outputs in the prefixes that their own
// blocks use. False: they are above the error asked for.
bool CausalMultipole::choose_fit(const CausalFit& fit, const ProbeRows& exact) {
  const Judgement plain = judge(fit, exact, false), fitted = judge(fit, exact, true);
  fitted_ = fitted.squares.error < plain.squares.error;
  const Judgement& best = fitted_ ? fitted : plain;
  squares_ = best.squares;
  error_ = best.by_prefix;
  const double allowed = kMargin * kMargin * options_.error * options_.error * squares_.out;
  return options_.error == 0 || !(squares_.error > allowed);
}

// Errors of the probes' outputs by the plain coefficients, or by the fit without the probe.
CausalMultipole::Judgement CausalMultipole::judge(const CausalFit& fit, const ProbeRows& exact,
                                                  bool fitted) const {
  const std::int64_t dv = head_.value_dim();
  std::vector<double> square(static_cast<std::size_t>(chunks_ + 1), 0.0), count(square.size(), 0.0);
  std::vector<float> plain(static_cast<std::size_t>(dv + 1)), left(plain.size());
  Judgement result;
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    const auto probe = static_cast<std::int64_t>(i);
    const float* out = exact.out.data() + probe * dv;
    result.squares.out += std::inner_product(out, out + dv, out, 0.0);
    const std::int64_t prefix = prefix_of(probes_[i]);
    if (prefix == 0 || exact.l[i] <= 0) continue;
    fit.missed(probe, prefix, plain.data(), left.data());
    std::vector<float>& missed = fitted ? left : plain;
    for (float& m : missed) m *= static_cast<float>(fit.total(probe) / exact.l[i]);
    const double error = output_error_square(out, missed.data(), dv);
    result.squares.error += error;
    square[static_cast<std::size_t>(prefix)] += error;
    count[static_cast<std::size_t>(prefix)] += 1;
  }
  const double mean = result.squares.error / static_cast<double>(probes_.size());
  for (std::size_t t = 0; t < square.size(); ++t)
    result.by_prefix.push_back(
        static_cast<float>(t == 0 ? 0 : std::sqrt(count[t] > 0 ? square[t] / count[t] : mean)));
  return result;
}

void CausalMultipole::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                                   TileScratch& scratch, const RunList& runs) {
  const std::int64_t prefix = prefix_of(rows.rows()[0]);
  if (prefix > 0 && residual_ != nullptr) {
    residual_->add_to(rows, far_sums(prefix), heavy, scratch, runs);
  } else {
    for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
    if (prefix > 0) {
      FarScratch far(clusters_->far->size(), head_.value_dim());
      clusters_->far->complete(rows.query(0), rows.partial(),
                               coefficients_[static_cast<std::size_t>(prefix - 1)], far);
    }
  }
}

void CausalMultipole::add_runs(const IndexList& rows, RunList& runs) const {
  KeyRun run;
  run.rows = {0, rows.count};
  run.keys =
      index_range(prefix_of(rows[0]) * options_.chunk, head_.visible(rows[rows.count - 1]).end);
  if (run.keys.count > 0) runs.add(run);
  const std::int64_t prefix = prefix_of(rows[0]);
  if (prefix > 0 && residual_ != nullptr) residual_->add_runs(rows, prefix * options_.chunk, runs);
}

std::unique_ptr<ImpliedEntries> CausalMultipole::implied() {
  return std::make_unique<ClusterEntries>(
      *clusters_->far, *clusters_->keys,
      [this](std::int64_t row) { return prefix_of(row) * options_.chunk; });
}

void CausalMultipole::row_errors(RowBlock& block, const EntrySets& heavy, TileScratch& scratch,
                                 float* error) const {
  const IndexList& rows = block.rows();
  const std::int64_t own = prefix_of(rows[0]);
  if (residual_ != nullptr && own > 0)
    return residual_->row_errors(block, far_sums(own), heavy, scratch, error);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t prefix = prefix_of(rows[i]);
    error[i] = prefix == 0      ? 0.0f
               : error_.empty() ? std::numeric_limits<float>::quiet_NaN()
                                : error_[static_cast<std::size_t>(prefix)];
  }
}

}  // namespace subquad
