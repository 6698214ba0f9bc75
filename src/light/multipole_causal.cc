#include "light/multipole_causal.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "exact/forward.h"
#include "kernels/pack.h"
#include "light/implied_entries.h"
#include "light/ridge_fit.h"
#include "light/uniform.h"

namespace subquad {
namespace {

constexpr double kMargin = 0.9;   // of the target error, for the leave-one-out error
constexpr double kProbeCost = 3;  // of a key of exact attention: probes meet all keys, and twice
constexpr double kLeastWeight = 0.05;
constexpr double kRidge = 1e-3;
constexpr std::uint32_t kProbeStream = 1u << 31;

}  // namespace

CausalMultipole::CausalMultipole(const HeadProblem& head, const MultipoleOptions& options,
                                 const Rng& rng)
    : head_(head),
      options_(options),
      rng_(rng),
      open_problem_(*head.problem),
      open_head_(head),
      chunks_(head.num_keys / options.chunk),
      block_(row_block_size(head.head_dim(), head.value_dim())) {
  if (options_.ridge == 0) options_.ridge = kRidge;
  open_problem_.causal = Causal::none;
  open_head_.problem = &open_problem_;
  // Chunks that no row sees whole are not summed.
  chunks_ = std::min(chunks_, std::max<std::int64_t>(0, prefix_of(head.num_rows() - 1)));
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
  const double probes =
      static_cast<double>(options_.fit) * kProbeCost * static_cast<double>(head_.num_keys) / rows;
  const double far = static_cast<double>(options_.shape.clusters + options_.chunk / 2) + 264;
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

void CausalMultipole::begin(const EntrySets& heavy, int threads) {
  heavy_ = heavy;
  exact_ = chunks_ == 0 || too_dear();
  if (exact_) return;
  clusters_ = FarClusters::build(head_, options_.shape, rng_, threads);
  exact_ = clusters_ == nullptr;
  if (exact_) return;
  std::vector<std::vector<float>> prefixes = prior_prefixes();
  if (options_.fit > 0) fit(heavy, prefixes, threads);
  if (exact_) return;
  for (const std::vector<float>& prefix : prefixes)
    coefficients_.emplace_back(prefix.data(), head_.value_dim() + 1, clusters_->far->size());
}

// Rows whose queries are finite, in order of position.
void CausalMultipole::draw_probes() {
  RowBlock row(head_.head_dim(), head_.value_dim(), 1);
  for (const std::int32_t probe :
       sample_without_replacement(head_.num_rows(), options_.fit, rng_, kProbeStream)) {
    row.load(head_, {&probe, 0, 1, true});
    const float* q = row.query(0);
    if (std::all_of(q, q + head_.head_dim(), [](float x) { return std::isfinite(x); }))
      probes_.push_back(probe);
  }
}

// Adds to each prefix what its far field misses at the probes.
void CausalMultipole::fit(const EntrySets& heavy, std::vector<std::vector<float>>& prefixes,
                          int threads) {
  draw_probes();
  const auto p = static_cast<std::int64_t>(probes_.size());
  const std::int64_t r = clusters_->far->size(), width = head_.value_dim() + 1;
  const IndexList probes{probes_.data(), 0, p, true};
  std::vector<IndexList> segments;
  for (std::int64_t t = 0; t < chunks_; ++t)
    segments.push_back(index_range(t * options_.chunk, (t + 1) * options_.chunk));
  exact_ = p == 0;
  if (exact_) return;
  const ProbeTable table(
      {open_head_, *clusters_->far, *clusters_->keys, probes, heavy, nullptr, segments}, threads);
  exact_ = !table.finite();
  if (exact_) return;

  const std::vector<float>& whole = prefixes.back();
  std::vector<double> totals(static_cast<std::size_t>(p), 0.0);
  std::vector<float> features(static_cast<std::size_t>(p * r));
  for (std::int64_t i = 0; i < p; ++i) {
    double& total = totals[static_cast<std::size_t>(i)];
    for (std::int64_t t = 0; t < chunks_; ++t) total += table.missed_weight(t, i);
    for (std::int64_t c = 0; c < r; ++c)
      total += table.weights(i)[c] * whole[static_cast<std::size_t>(c * width + width - 1)];
    for (std::int64_t c = 0; c < r; ++c)
      features[static_cast<std::size_t>(i * r + c)] = static_cast<float>(
          table.weights(i)[c] * whole[static_cast<std::size_t>(c * width + width - 1)] / total);
  }
  std::vector<float> targets(static_cast<std::size_t>(p * chunks_ * width), 0.0f);
  for (std::int64_t i = 0; i < p; ++i) {
    const double scale = 1 / totals[static_cast<std::size_t>(i)];
    std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
    for (std::int64_t t = 0; t < chunks_; ++t) {
      for (std::int64_t d = 0; d < width - 1; ++d)
        sum[static_cast<std::size_t>(d)] += table.missed_values(t, i)[d];
      sum.back() += table.missed_weight(t, i);
      for (std::int64_t d = 0; d < width; ++d)
        targets[static_cast<std::size_t>((i * chunks_ + t) * width + d)] =
            static_cast<float>(sum[static_cast<std::size_t>(d)] * scale);
    }
  }
  const RidgeFit ridge(features.data(), p, r, options_.ridge, threads);
  exact_ = !ridge.ok();
  if (exact_) return;
  const std::int64_t columns = chunks_ * width;
  std::vector<float> correction(static_cast<std::size_t>(r * columns));
  ridge.solve(targets.data(), columns, columns, correction.data(), columns, threads);
  const std::vector<float> leverages = ridge.leverages(threads);

  // What the prefixes that the probes' own blocks use leave out: without the fit, and by the fit
  // without the probe.
  std::vector<float> bare(static_cast<std::size_t>(p * width), 0.0f), left(bare);
  for (std::int64_t i = 0; i < p; ++i) {
    const std::int64_t t = prefix_of(probes_[static_cast<std::size_t>(i)]) - 1;
    if (t < 0) continue;
    const double free = std::max(1e-6, 1.0 - leverages[static_cast<std::size_t>(i)]);
    for (std::int64_t d = 0; d < width; ++d) {
      double residual = targets[static_cast<std::size_t>(i * columns + t * width + d)];
      bare[static_cast<std::size_t>(i * width + d)] = static_cast<float>(residual);
      for (std::int64_t c = 0; c < r; ++c)
        residual -= static_cast<double>(features[static_cast<std::size_t>(i * r + c)]) *
                    correction[static_cast<std::size_t>(c * columns + t * width + d)];
      left[static_cast<std::size_t>(i * width + d)] = static_cast<float>(residual / free);
    }
  }
  const ProbeRows exact = evaluate_probes(head_, probes, table, threads);
  const Judgement without = judge(bare, exact, totals), with = judge(left, exact, totals);
  fitted_ = with.squares.error < without.squares.error;
  const Judgement& best = fitted_ ? with : without;
  squares_ = best.squares;
  error_ = best.by_prefix;
  const double allowed = kMargin * kMargin * options_.error * options_.error * squares_.out;
  exact_ = options_.error > 0 && squares_.error > allowed;
  for (std::int64_t t = 0; fitted_ && t < chunks_; ++t)
    for (std::int64_t c = 0; c < r; ++c)
      for (std::int64_t d = 0; d < width; ++d)
        prefixes[static_cast<std::size_t>(t)][static_cast<std::size_t>(c * width + d)] +=
            correction[static_cast<std::size_t>(c * columns + t * width + d)] *
            whole[static_cast<std::size_t>(c * width + width - 1)];
}

// Errors of the probes' outputs from what their far fields leave out, relative to `totals`.
CausalMultipole::Judgement CausalMultipole::judge(const std::vector<float>& left,
                                                  const ProbeRows& exact,
                                                  const std::vector<double>& totals) const {
  const std::int64_t dv = head_.value_dim(), probes = std::ssize(totals);
  std::vector<double> square(static_cast<std::size_t>(chunks_ + 1), 0.0), count(square.size(), 0.0);
  Judgement result;
  for (std::int64_t i = 0; i < probes; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float* missed = left.data() + i * (dv + 1);
    const double share = exact.l[at] > 0 ? totals[at] / exact.l[at] : 0;
    const double weight = missed[dv] * share, divisor = std::max(kLeastWeight, 1 - weight);
    double sum = 0;
    for (std::int64_t d = 0; d < dv; ++d) {
      const double out = exact.out[static_cast<std::size_t>(i * dv + d)];
      const double e = (missed[d] * share - out * weight) / divisor;
      sum += e * e;
      result.squares.out += out * out;
    }
    result.squares.error += sum;
    const auto prefix = static_cast<std::size_t>(prefix_of(probes_[at]));
    square[prefix] += sum;
    count[prefix] += 1;
  }
  const auto mean = result.squares.error / static_cast<double>(std::max<std::int64_t>(1, probes));
  for (std::size_t t = 0; t < square.size(); ++t)
    result.by_prefix.push_back(
        static_cast<float>(t == 0 ? 0 : std::sqrt(count[t] > 0 ? square[t] / count[t] : mean)));
  return result;
}

void CausalMultipole::add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                             TileScratch& scratch, RunList& runs) const {
  const std::int64_t prefix = prefix_of(rows.rows()[0]);
  if (prefix > 0) {
    FarScratch far(clusters_->far->size(), head_.value_dim());
    clusters_->far->add_to(rows.query(0), rows.partial(),
                           coefficients_[static_cast<std::size_t>(prefix - 1)], far);
  }
  add_runs(rows.rows(), runs);
  for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
  runs.clear();
}

void CausalMultipole::add_runs(const IndexList& rows, RunList& runs) const {
  KeyRun run;
  run.rows = {0, rows.count};
  run.keys =
      index_range(prefix_of(rows[0]) * options_.chunk, head_.visible(rows[rows.count - 1]).end);
  if (run.keys.count > 0) runs.add(run);
}

void CausalMultipole::take_out(const HeadProblem& head, RowBlock& rows, const HeavySet&,
                               std::int64_t, const KeyRun& run, const EntrySets& taken,
                               TileScratch& scratch) const {
  std::vector<std::int64_t> key_end;
  for (std::int64_t i = 0; i < rows.rows().count; ++i)
    key_end.push_back(prefix_of(rows.rows()[i]) * options_.chunk);
  take_out_entries(head, rows, run, taken, *clusters_->far, *clusters_->keys, key_end.data(),
                   scratch);
}

bool CausalMultipole::row_errors(const IndexList& rows, float* error) const {
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t prefix = prefix_of(rows[i]);
    error[i] = prefix == 0      ? 0.0f
               : error_.empty() ? std::numeric_limits<float>::quiet_NaN()
                                : error_[static_cast<std::size_t>(prefix)];
  }
  return true;
}

}  // namespace subquad
