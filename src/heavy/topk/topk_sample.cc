#include "heavy/topk/topk_sample.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "rows/tile_sizes.h"
#include "heavy/topk/kth_score.h"
#include "kernels/select.h"

namespace subquad {
namespace {

constexpr std::int64_t kFewKeys = 400;
constexpr double kDeviations = 3;  // a bracket fails about once in 400 rows
constexpr ScoreBracket kEverything{-FLT_MAX, HUGE_VALF};

// A key of each stratum, at a place that steps through the strata by the golden ratio: results do
// not depend on it, and keys with a period do not fall in step with it.
std::vector<std::int32_t> stratified(std::int64_t n, std::int64_t count) {
  std::vector<std::int32_t> keys;
  double place = 0.5;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = i * n / count, end = (i + 1) * n / count;
    place = std::fmod(place + 0.6180339887498949, 1.0);
    keys.push_back(static_cast<std::int32_t>(
        begin + static_cast<std::int64_t>(place * static_cast<double>(end - begin))));
  }
  return keys;
}

}  // namespace

TopkSample::TopkSample(const HeadProblem& head, std::int64_t k, bool enclose)
    : enclose_(enclose), most_between_(kFewKeys) {
  const std::int64_t n = head.num_keys;
  if (n <= kFewKeys || head.num_rows() <= kMaxStreamedRows) return;
  keys_ = stratified(n, std::clamp<std::int64_t>(n / 16, 128, 4096));
  const auto samples = static_cast<std::int64_t>(keys_.size());
  const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
  for (std::int64_t begin = 0; begin < samples; begin += step) {
    const std::int64_t count = std::min(step, samples - begin);
    tiles_.emplace_back(head.head_dim(), head.value_dim(), count)
        .pack(head, {keys_.data() + begin, 0, count, true});
  }
  const Ranks found =
      ranks(static_cast<double>(samples), static_cast<double>(k) / static_cast<double>(n));
  most_between_ = std::max(kFewKeys, 3 * (found.low - found.high) * n / (2 * samples));
}

// The k-th largest of all is the (samples * share)-th of the sample, give or take some standard
// deviations.
TopkSample::Ranks TopkSample::ranks(double samples, double share) const {
  const double mean = samples * share, spread = kDeviations * std::sqrt(mean * (1 - share));
  return {static_cast<std::int64_t>(std::ceil(mean + spread)) + 1,
          enclose_ ? static_cast<std::int64_t>(std::max(0.0, mean - spread)) : 0};
}

ScoreBracket TopkSample::bracket(std::int64_t k, std::int64_t visible, float* scores,
                                 std::int64_t count) const {
  if (visible <= k && enclose_) return {-FLT_MAX, -HUGE_VALF};
  if (visible <= kFewKeys || visible <= k || count == 0) return kEverything;
  kernels::raise_nan(scores, count);
  const Ranks at =
      ranks(static_cast<double>(count), static_cast<double>(k) / static_cast<double>(visible));
  ScoreBracket found = kEverything;
  // Hidden keys are the lowest of the sample.
  if (at.low <= count) found.low = std::max(-FLT_MAX, find_kth(scores, count, at.low).threshold);
  if (at.high > 0) found.high = find_kth(scores, count, std::min(at.high, count)).threshold;
  return found;
}

void TopkSample::find_brackets(const HeadProblem& head, std::int64_t k, const RowBlock& rows,
                               ScorePanel& panel, std::vector<ScoreBracket>& brackets) const {
  const std::int64_t count = rows.rows().count, step = kernels::blocking().rows;
  const auto samples = static_cast<std::int64_t>(keys_.size());
  std::vector<float> scores(static_cast<std::size_t>(step * samples));
  brackets.clear();
  for (std::int64_t begin = 0; begin < count; begin += step) {
    const Range part{begin, std::min(begin + step, count)};
    for (std::size_t t = 0, first = 0; t < tiles_.size(); ++t) {
      const Range columns{0, tiles_[t].keys().count};
      score_rows(head, rows, part, tiles_[t], columns, {}, panel);
      for (std::int64_t r = 0; r < part.end - begin; ++r)
        std::copy_n(panel.data() + r * panel.stride(), columns.end,
                    scores.data() + static_cast<std::size_t>(r * samples) + first);
      first += static_cast<std::size_t>(columns.end);
    }
    for (std::int64_t r = begin; r < part.end; ++r) {
      const Range visible = head.visible(rows.rows()[r]);
      const Range seen = columns_in({keys_.data(), 0, samples, true}, visible);
      brackets.push_back(bracket(k, visible.end - visible.begin,
                                 scores.data() + (r - begin) * samples + seen.begin,
                                 seen.end - seen.begin));
    }
  }
}

}  // namespace subquad
