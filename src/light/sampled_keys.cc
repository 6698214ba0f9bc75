#include "light/sampled_keys.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/gemm.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// Sums over the sample for a register block of rows, w the weights relative to the rows' m:
// sum w, sum w^2, sum w^2 |v|^2, and the vectors sum w v and sum w^2 v.
struct Moments {
  Moments(std::int64_t rows, std::int64_t value_dim)
      : seen(static_cast<std::size_t>(rows)),
        w(seen.size()),
        w2(w.size()),
        w2_norm(w.size()),
        stride(padded_values(value_dim)),
        wv(static_cast<std::size_t>(rows * stride)),
        w2v(wv.size()) {}

  std::vector<std::int64_t> seen;  // sampled keys that the row may see and no heavy set holds
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

// Adds one tile of weights (rows `stride` floats apart) to the moments; squares the weights in
// place.
void add_tile(Moments& sums, float* weights, std::int64_t stride, const KeyTile& tile,
              const float* norms, std::int64_t value_dim) {
  const auto rows = static_cast<std::int64_t>(sums.w.size());
  const std::int64_t keys = tile.keys().count;
  const kernels::LeftMatrix w{weights, stride, 1};
  kernels::gemm(w, tile.values().from(0), rows, value_dim, keys, sums.wv.data(), sums.stride, true);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    float* row = weights + r * stride;
    for (std::int64_t j = 0; j < keys; ++j) {
      sums.w[i] += row[j];
      row[j] *= row[j];
      sums.w2[i] += row[j];
      if (row[j] != 0.0f) sums.w2_norm[i] += double{row[j]} * norms[j];
    }
  }
  kernels::gemm(w, tile.values().from(0), rows, value_dim, keys, sums.w2v.data(), sums.stride,
                true);
}

// |out_hat - out|^2 expected from the sample, for row i with final sums (l, o): the variance of
// sum_j x_j, x_j = w_j (v_j - out) / l over `draws` draws, by the delta method for the ratio o / l.
double variance(const Moments& sums, std::size_t i, const Partial& row, double draws,
                double correction) {
  // One key or none says nothing about the spread, unless all keys were drawn.
  if (sums.seen[i] < 2 && correction > 0) return std::numeric_limits<double>::quiet_NaN();
  if (correction == 0) return 0.0 * row.l[0];  // 0, or NaN for a row of NaN
  const double l = row.l[0];
  double cross = 0, out_norm = 0, mean_norm = 0;
  for (std::int64_t c = 0; c < row.value_dim; ++c) {
    const double out = row.o[c] / l;
    const auto at = i * static_cast<std::size_t>(sums.stride) + static_cast<std::size_t>(c);
    cross += sums.w2v[at] * out;
    out_norm += out * out;
    const double total = sums.wv[at] - out * sums.w[i];
    mean_norm += total * total;
  }
  const double squares = sums.w2_norm[i] - 2 * cross + out_norm * sums.w2[i];
  const double spread = squares - mean_norm / draws;  // std::max would drop a NaN
  return correction * (spread < 0 ? 0.0 : spread) * draws / (draws - 1) / (l * l);
}

class SampledKeys final : public LightPart {
 public:
  SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, double weight,
              double correction)
      : head_(head),
        sample_(std::move(sample)),
        bias_(sample_.size(), static_cast<float>(std::log2(weight))),
        correction_(correction) {
    const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
    for (std::int64_t begin = 0; begin < draws(); begin += step)
      tiles_.emplace_back(head.head_dim(), head.value_dim(), std::min(step, draws() - begin))
          .pack(head, {sample_.data() + begin, 0, std::min(step, draws() - begin)},
                bias_.data() + begin);
    norms_ = value_norms();
  }

  void add_to(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch) const override {
    for (const KeyTile& tile : tiles_) attend_tile(head_, rows, tile, heavy, scratch.panel);
  }

  void squared_error(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                     float* squared_error) const override {
    const std::int64_t step = kernels::blocking().rows, count = rows.rows().count;
    for (std::int64_t begin = 0; begin < count; begin += step) {
      const std::int64_t part = std::min(step, count - begin);
      const Partial sums = rows.partial().slice(begin, part);
      const Moments moments = collect(rows, begin, part, heavy, scratch.panel);
      for (std::int64_t r = 0; r < part; ++r)
        squared_error[begin + r] =
            static_cast<float>(variance(moments, static_cast<std::size_t>(r), sums.slice(r, 1),
                                        static_cast<double>(draws()), correction_));
    }
  }

 private:
  std::int64_t draws() const { return static_cast<std::int64_t>(sample_.size()); }

  Moments collect(RowBlock& rows, std::int64_t begin, std::int64_t count, const EntrySets& heavy,
                  ScorePanel& panel) const {
    Moments moments(count, head_.value_dim());
    const float* norms = norms_.data();
    for (const KeyTile& tile : tiles_) {
      const std::int64_t keys = tile.keys().count;
      score_rows(head_, rows, begin, count, tile, {0, keys}, heavy, panel);
      count_seen(moments, panel, count, keys);
      kernels::exp2_rows(panel.data(), panel.stride(), count, keys, rows.partial().m + begin);
      add_tile(moments, panel.data(), panel.stride(), tile, norms, head_.value_dim());
      norms += keys;
    }
    return moments;
  }

  std::vector<float> value_norms() const {
    const std::int64_t width = head_.value_dim();
    std::vector<float> value(static_cast<std::size_t>(width)), norms;
    for (const KeyTile& tile : tiles_)
      for (std::int64_t j = 0; j < tile.keys().count; ++j) {
        tile.values().load(j, value.data());
        norms.push_back(std::inner_product(value.begin(), value.end(), value.begin(), 0.0f));
      }
    return norms;
  }

  const HeadProblem& head_;
  std::vector<std::int32_t> sample_;
  std::vector<float> bias_, norms_;  // log2 weight and |v|^2 of each sampled key
  double correction_;
  std::vector<KeyTile> tiles_;
};

}  // namespace

std::unique_ptr<LightPart> make_sampled_keys(const HeadProblem& head,
                                             std::vector<std::int32_t> sample, double weight,
                                             double correction) {
  return std::make_unique<SampledKeys>(head, std::move(sample), weight, correction);
}

}  // namespace subquad
