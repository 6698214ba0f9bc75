#include "far/residual_sample.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/pack.h"
#include "far/clusters/cluster_entries.h"
#include "parts/implied_sums.h"
#include "rows/entry_marks.h"
#include "core/sampling.h"
#include "rows/cancelled_rows.h"

namespace subquad {
namespace {

constexpr float kLeastLeft = 0.1f;  // of a negative sum: what remains above it has digits and sense
constexpr float kLeastOfTaken = 1e-3f;  // of what heavy entries took out (FarField::complete)
constexpr std::int64_t kParts = 8;      // of a sample, for its error
constexpr std::uint32_t kOrderDraws = 1u << 31;  // draws that cut a sample into parts

KeyRun run_of(const std::vector<std::int32_t>& keys, const std::vector<float>& bias,
              std::int64_t rows) {
  return {.rows = {0, rows},
          .keys = {keys.data(), 0, std::ssize(keys), true},
          .bias = bias.data(),
          .in_f32 = true};
}

std::vector<float> bias_of(const ResidualSample::Drawn& drawn) {
  return std::vector<float>(drawn.keys.size(), static_cast<float>(std::log2(drawn.weight)));
}

// The most of the keys that sets hold for a row: of the first, the middle and the last.
std::int64_t most_held(const IndexList& rows, const IndexList& keys, const EntrySets& sets) {
  FilterScratch filter;
  std::vector<float> marks(static_cast<std::size_t>(keys.count));
  std::int64_t most = 0;
  for (const std::int64_t r : {std::int64_t{0}, rows.count / 2, rows.count - 1})
    most =
        std::max(most, mark_held(sets, rows.slice(r, 1), keys, marks.data(), keys.count, filter));
  return most;
}

// sum_p |y_p - share_p sum y|^2 over numbers [begin, begin + count).
double spread(const std::vector<std::vector<double>>& parts, const std::vector<double>& shares,
              std::int64_t begin, std::int64_t count) {
  double squares = 0;
  for (auto at = static_cast<std::size_t>(begin); at < static_cast<std::size_t>(begin + count);
       ++at) {
    double sum = 0;
    for (const std::vector<double>& part : parts) sum += part[at];
    for (std::size_t p = 0; p < parts.size(); ++p)
      squares += std::pow(parts[p][at] - shares[p] * sum, 2);
  }
  return squares;
}

}  // namespace

ResidualSample::Drawn ResidualSample::draw(std::int64_t first_row, std::int64_t end) const {
  Drawn drawn{sample_without_replacement(end, samples_, rng_, static_cast<std::uint32_t>(first_row),
                                         Purpose::residual),
              1};
  drawn.weight = static_cast<double>(end) / static_cast<double>(drawn.keys.size());
  return drawn;
}

// What the far field holds for the drawn keys, `weight` times.
FarShares ResidualSample::shares(const Drawn& drawn, const FarSums& sums) const {
  const std::int64_t dv = far_.value_dim(), width = dv + 1;
  FarShares shares{std::vector<float>(static_cast<std::size_t>(far_.size() * width)),
                   std::vector<float>(static_cast<std::size_t>(far_.size()))};
  std::vector<float> value(static_cast<std::size_t>(dv));
  const auto weight = static_cast<float>(drawn.weight);
  for (const std::int32_t key : drawn.keys) {
    kernels::load_rows(head_.values().slice(key, 1), weight, value.data(), dv, dv);
    const std::int64_t c = clusters_.cluster_of[static_cast<std::size_t>(key)];
    float* row = shares.rows.data() + c * width;
    for (std::int64_t d = 0; d < dv; ++d) row[d] += value[static_cast<std::size_t>(d)];
    row[dv] += weight;
    shares.slopes[static_cast<std::size_t>(c)] += weight / sums.prior[c * width + dv];
  }
  return shares;
}

FarShares ResidualSample::rest(const Drawn& drawn, const FarSums& sums) const {
  FarShares rest = shares(drawn, sums);
  for (std::size_t i = 0; i < rest.rows.size(); ++i) rest.rows[i] = sums.prior[i] - rest.rows[i];
  for (float& slope : rest.slopes) slope = 1 - slope;
  return rest;
}

void ResidualSample::add_shares(RowBlock& rows, const FarShares& shares) const {
  FarScratch scratch(far_.size(), far_.value_dim());
  const FarCoefficients packed(shares.rows.data(), far_.value_dim() + 1, far_.size());
  far_.add_to(rows.query(0), rows.partial(), packed, scratch, shares.slopes.data());
}

// The sample's entries that heavy sets hold: the far field has lost them already.
void ResidualSample::add_back_heavy(RowBlock& rows, const Drawn& drawn, const EntrySets& heavy,
                                    TileScratch& scratch) const {
  const KeyRun run{.rows = {0, rows.rows().count},
                   .keys = {drawn.keys.data(), 0, std::ssize(drawn.keys), true}};
  collect_left_out(run, rows.rows(), heavy, scratch.left_out);
  if (scratch.left_out.empty()) return;
  const auto mark = [&](const Range& part, const IndexList& keys, float* marks,
                        std::int64_t stride) {
    const IndexList some = rows.rows().slice(part.begin, part.end - part.begin);
    const std::int64_t held =
        mark_held(scratch.left_out, some, keys, marks, stride, scratch.panel.filter());
    return Range{0, held > 0 ? keys.count : 0};
  };
  ImpliedSums implied(head_, std::make_unique<ClusterEntries>(far_, clusters_));
  implied.add({run, most_held(rows.rows(), run.keys, scratch.left_out), mark}, 1,
              static_cast<float>(std::log2(drawn.weight)), rows, scratch.panel);
}

void ResidualSample::add_far(RowBlock& rows, const FarSums& sums, const EntrySets& heavy,
                             TileScratch& scratch) const {
  const Drawn drawn = draw(rows.rows()[0], sums.end);
  if (std::ssize(drawn.keys) < sums.end) add_shares(rows, rest(drawn, sums));
  add_back_heavy(rows, drawn, heavy, scratch);
}

void ResidualSample::add_to(RowBlock& rows, const FarSums& sums, const EntrySets& heavy,
                            TileScratch& scratch, const RunList& runs) const {
  const CancelledRows taken_out(rows.partial());
  add_far(rows, sums, heavy, scratch);
  const CancelledRows cancelled(rows.partial());
  for (const KeyRun& run : runs.runs()) attend_run(head_, rows, run, heavy, scratch);
  cancelled.reject(rows.partial(), kLeastLeft);
  taken_out.reject(rows.partial(), kLeastOfTaken);
}

void ResidualSample::add_runs(const IndexList& rows, std::int64_t end, RunList& runs) const {
  Drawn drawn = draw(rows[0], end);
  std::vector<float>& bias = runs.new_bias();
  bias = bias_of(drawn);
  std::vector<std::int32_t>& keys = runs.new_ids();
  keys = std::move(drawn.keys);
  runs.add(run_of(keys, bias, rows.count));
}

// The sample cut at random into parts of one size, but for one key.
std::vector<ResidualSample::Drawn> ResidualSample::split(const Drawn& drawn,
                                                         std::int64_t first_row) const {
  std::vector<std::int32_t> order = drawn.keys;
  const std::int64_t count = std::ssize(order), parts = std::min(kParts, count);
  for (std::int64_t i = 0; i + 1 < count; ++i)
    std::swap(
        order[static_cast<std::size_t>(i)],
        order[static_cast<std::size_t>(
            i + rng_.below(count - i, Purpose::residual, static_cast<std::uint32_t>(first_row),
                           kOrderDraws + static_cast<std::uint32_t>(i)))]);
  std::vector<Drawn> result;
  for (std::int64_t p = 0; p < parts; ++p) {
    result.push_back({{order.begin() + p * count / parts, order.begin() + (p + 1) * count / parts},
                      drawn.weight});
    std::sort(result.back().keys.begin(), result.back().keys.end());
  }
  return result;
}

// What the part of the sample adds, alone.
void ResidualSample::add_part(RowBlock& rows, const Drawn& part, const FarSums& sums,
                              const EntrySets& heavy, TileScratch& scratch) const {
  FarShares lost = shares(part, sums);
  for (float& number : lost.rows) number = -number;
  for (float& slope : lost.slopes) slope = -slope;
  add_shares(rows, lost);
  add_back_heavy(rows, part, heavy, scratch);
  const std::vector<float> bias = bias_of(part);
  attend_run(head_, rows, run_of(part.keys, bias, rows.rows().count), heavy, scratch);
}

// The part's sums alone, linearised: (o - l out) / l of each row, `whole` the final sums.
std::vector<double> ResidualSample::part_outputs(RowBlock& rows, const Partial& whole,
                                                 const Drawn& part, const FarSums& sums,
                                                 const EntrySets& heavy,
                                                 TileScratch& scratch) const {
  set_identity(rows.partial());
  add_part(rows, part, sums, heavy, scratch);
  const Partial got = rows.partial();
  std::vector<double> y;
  for (std::int64_t i = 0; i < got.rows; ++i) {
    const double l = double{whole.l[i]},
                 scale = std::exp2(double{got.m[i]} - double{whole.m[i]}) / l;
    for (std::int64_t d = 0; d < got.value_dim; ++d)
      y.push_back(scale * (double{got.o[i * got.o_stride + d]} -
                           double{got.l[i]} * double{whole.o[i * whole.o_stride + d]} / l));
  }
  return y;
}

// Of the sum of m draws x_j without replacement, cut into parts of m_p draws with sums y_p and
// d_p = y_p - (m_p / m) sum y: E sum_p |d_p|^2 = (m - sum m_p^2 / m) Var(x), and the variance is
// (1 - m / N) m Var(x).
void ResidualSample::row_errors(RowBlock& rows, const FarSums& sums, const EntrySets& heavy,
                                TileScratch& scratch, float* error) const {
  const std::int64_t count = rows.rows().count, dv = far_.value_dim();
  const Drawn drawn = draw(rows.rows()[0], sums.end);
  if (std::ssize(drawn.keys) == sums.end) {  // 0, or NaN for a row of NaN
    for (std::int64_t i = 0; i < count; ++i) error[i] = 0.0f * rows.partial().l[i];
    return;
  }
  PartialBuffer kept(count, dv);
  const Partial whole = kept.view(count);
  copy_partial(rows.partial(), whole);
  const std::vector<Drawn> parts = split(drawn, rows.rows()[0]);
  const auto size = static_cast<double>(drawn.keys.size());
  std::vector<std::vector<double>> outputs;
  std::vector<double> shares;
  double free = size;
  for (const Drawn& part : parts) {
    outputs.push_back(part_outputs(rows, whole, part, sums, heavy, scratch));
    shares.push_back(static_cast<double>(part.keys.size()) / size);
    free -= shares.back() * shares.back() * size;
  }
  copy_partial(whole, rows.partial());
  const double factor = (1 - size / static_cast<double>(sums.end)) * size / free;
  for (std::int64_t i = 0; i < count; ++i)
    error[i] = static_cast<float>(std::sqrt(factor * spread(outputs, shares, i * dv, dv)));
}

}  // namespace subquad
