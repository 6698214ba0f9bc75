#include "run/sample_error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// Sums over a sample for a register block of rows, w the weights relative to the rows' m: sum w,
// sum w^2, sum w^2 |v|^2, and the vectors sum w v and sum w^2 v.
struct Moments {
  Moments(std::int64_t rows, std::int64_t value_dim)
      : seen(static_cast<std::size_t>(rows)),
        w(seen.size()),
        w2(w.size()),
        w2_norm(w.size()),
        stride(padded_values(value_dim)),
        wv(static_cast<std::size_t>(rows * stride)),
        w2v(wv.size()) {}

  std::vector<std::int64_t> seen;  // sampled keys that the row may see and no other part holds
  std::vector<double> w, w2, w2_norm;
  std::int64_t stride;
  std::vector<float> wv, w2v;
};

void count_seen(Moments& sums, ScorePanel& panel, std::int64_t rows, std::int64_t keys) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = panel.data() + r * panel.stride();
    sums.seen[static_cast<std::size_t>(r)] +=
        keys - std::count(row, row + keys, -std::numeric_limits<float>::infinity());
  }
}

std::vector<float> value_norms(const KeyTile& tile) {
  const std::int64_t width = tile.value_dim();
  std::vector<float> value(static_cast<std::size_t>(width)), norms;
  for (std::int64_t j = 0; j < tile.keys().count; ++j) {
    tile.values().load(j, value.data());
    norms.push_back(std::inner_product(value.begin(), value.end(), value.begin(), 0.0f));
  }
  return norms;
}

// Adds one tile of weights (rows `stride` floats apart) to the moments; squares the weights in
// place. A weight of `counts` draws is the sum of as many squares.
void add_tile(Moments& sums, float* weights, std::int64_t stride, const KeyTile& tile,
              const float* norms, const float* counts) {
  const auto rows = static_cast<std::int64_t>(sums.w.size());
  const std::int64_t keys = tile.keys().count;
  tile.multiply_values(weights, stride, rows, {0, keys}, sums.wv.data(), sums.stride, true);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    float* row = weights + r * stride;
    for (std::int64_t j = 0; j < keys; ++j) {
      sums.w[i] += row[j];
      row[j] *= row[j];
      if (counts != nullptr) row[j] /= counts[j];
      sums.w2[i] += row[j];
      if (row[j] != 0.0f) sums.w2_norm[i] += double{row[j]} * norms[j];
    }
  }
  tile.multiply_values(weights, stride, rows, {0, keys}, sums.w2v.data(), sums.stride, true);
}

// |out_hat - out|^2 expected from the sample, for row i with final sums (l, o): the variance of
// sum_j x_j, x_j = w_j (v_j - out) / l over the draws. A sample for one of the sums alone has no
// v_j, or no out, in x_j.
double variance(const Moments& sums, std::size_t i, const Partial& row, const KeyRun& run) {
  const double correction = run.sample.correction, draws = static_cast<double>(run.sample.draws);
  // One key or none says nothing about the spread, unless all keys were drawn.
  if (sums.seen[i] < 2 && correction > 0 && !run.sample.single)
    return std::numeric_limits<double>::quiet_NaN();
  if (correction == 0) return 0.0 * row.l[0];  // 0, or NaN for a row of NaN
  const double l = row.l[0];
  const double of_value = run.sums == Sums::weights ? 0 : 1,
               of_out = run.sums == Sums::values ? 0 : 1;
  double cross = 0, out_norm = 0, mean_norm = 0;
  for (std::int64_t c = 0; c < row.value_dim; ++c) {
    const double out = of_out * row.o[c] / l;
    const auto at = i * static_cast<std::size_t>(sums.stride) + static_cast<std::size_t>(c);
    cross += of_value * sums.w2v[at] * out;
    out_norm += out * out;
    const double total = of_value * sums.wv[at] - out * sums.w[i];
    mean_norm += total * total;
  }
  const double squares = of_value * sums.w2_norm[i] - 2 * cross + out_norm * sums.w2[i];
  if (run.sample.single) return correction * squares / (l * l);
  const double spread = squares - mean_norm / draws;  // std::max would drop a NaN
  return correction * (spread < 0 ? 0.0 : spread) * draws / (draws - 1) / (l * l);
}

void add_errors(const HeadProblem& head, RowBlock& rows, const KeyRun& run, TileScratch& scratch,
                float* squared_error) {
  const std::int64_t step = kernels::blocking().rows;
  rows.set_limits(run.limits);
  std::vector<Moments> moments;
  for (std::int64_t begin = run.rows.begin; begin < run.rows.end; begin += step)
    moments.emplace_back(std::min(step, run.rows.end - begin), head.value_dim());
  const float* counts = run.sample.counts;
  for_each_tile(head, run, scratch, [&](const KeyTile& tile) {
    const std::vector<float> norms = value_norms(tile);
    const std::int64_t keys = tile.keys().count;
    ScorePanel& panel = scratch.panel;
    std::int64_t begin = run.rows.begin;
    for (Moments& sums : moments) {
      const auto count = static_cast<std::int64_t>(sums.w.size());
      score_rows(head, rows, {begin, begin + count}, tile, {0, keys}, scratch.left_out, panel);
      count_seen(sums, panel, count, keys);
      kernels::exp2_rows(panel.data(), panel.stride(), count, keys, rows.partial().m + begin);
      add_tile(sums, panel.data(), panel.stride(), tile, norms.data(), counts);
      begin += count;
    }
    if (counts != nullptr) counts += keys;
  });
  rows.set_limits({});
  for (std::int64_t i = run.rows.begin; i < run.rows.end; ++i) {
    const std::int64_t at = i - run.rows.begin;
    squared_error[i] += static_cast<float>(variance(moments[static_cast<std::size_t>(at / step)],
                                                    static_cast<std::size_t>(at % step),
                                                    rows.partial().slice(i, 1), run));
  }
}

}  // namespace

void sample_errors(const HeadProblem& head, RowBlock& rows, std::span<const KeyRun> runs,
                   const EntrySets& taken, TileScratch& scratch, float* squared_error) {
  std::fill_n(squared_error, rows.rows().count, 0.0f);
  for (const KeyRun& run : runs) {
    if (run.sample.draws == 0 || run.rows.empty()) continue;
    collect_left_out(run, rows.rows(), taken, scratch.left_out);
    add_errors(head, rows, run, scratch, squared_error);
  }
}

}  // namespace subquad
