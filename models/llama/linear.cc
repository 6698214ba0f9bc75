#include "llama/linear.h"

#include <algorithm>

#include "core/isa.h"
#include "core/memory.h"
#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "kernels/stream.h"

namespace subquad::llama {
namespace {

// Packed weights that stay in the second-level cache while rows pass by.
constexpr std::int64_t kTileBytes = 512 << 10;
// Rows that share a widened tile: it pays for itself well below.
constexpr std::int64_t kMostRows = 2048, kFewestRows = 128;
// Weight rows of one item of a matrix-vector product, and how many bytes of them are widened at
// once: they stay in the first-level cache.
constexpr std::int64_t kVectorRows = 64, kVectorBytes = 16 << 10;

// Rows [first, first + count) of the weights as f32.
void widen_rows(const WeightMatrix& weight, std::int64_t first, std::int64_t count, float* out) {
  for (std::int64_t r = 0; r < count; ++r) widen_row(weight, first + r, out + r * weight.cols);
}

kernels::RowSource f32_rows(const float* rows, std::int64_t width, std::int64_t count) {
  return {rows, DType::f32, width, width, nullptr, 0, count};
}

// How a product is cut into items: `outputs` weight rows by `rows` rows of x.
struct Tiling {
  std::int64_t outputs, rows, across, down;
};

Tiling choose_tiling(const WeightMatrix& weight, std::int64_t rows, int threads) {
  const std::int64_t panel = kernels::blocking().panel;
  const std::int64_t row_bytes = weight.cols * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t most = std::max(kTileBytes / row_bytes / panel, std::int64_t{1}) * panel;
  const std::int64_t even = round_up((weight.rows + threads - 1) / threads, panel);
  const std::int64_t outputs = std::min(most, even);
  const std::int64_t across = (weight.rows + outputs - 1) / outputs;
  const std::int64_t wanted = (std::int64_t{3} * threads + across - 1) / across;
  const std::int64_t share = std::clamp((rows + wanted - 1) / wanted, kFewestRows, kMostRows);
  return {outputs, share, across, (rows + share - 1) / share};
}

// The memory of one thread: a panel of widened rows, and the packed tile.
class Tile {
 public:
  Tile(const WeightMatrix& weight, std::int64_t outputs)
      : weight_(weight),
        panel_(kernels::blocking().panel),
        widened_(panel_ * weight.cols),
        packed_(round_up(outputs, panel_) * weight.cols) {}

  // Weight rows [first, first + count).
  void load(std::int64_t first, std::int64_t count) {
    for (std::int64_t r = 0; r < count; r += panel_) {
      const std::int64_t rows = std::min(panel_, count - r);
      widen_rows(weight_, first + r, rows, widened_.data());
      kernels::pack_transposed(f32_rows(widened_.data(), weight_.cols, rows),
                               packed_.data() + r * weight_.cols);
    }
  }
  kernels::RightMatrix packed() const { return {packed_.data(), panel_ * weight_.cols, panel_}; }

 private:
  const WeightMatrix& weight_;
  std::int64_t panel_;
  Scratch<float> widened_, packed_;
};

void multiply_rows(const WeightMatrix& weight, std::span<const float> bias, const ops::Rows& x,
                   const ops::Rows& y, int threads) {
  const Tiling tiling = choose_tiling(weight, x.count, threads);
  parallel_workers(threads, tiling.across * tiling.down, [&] {
    return [&, tile = Tile(weight, tiling.outputs)](std::int64_t item) mutable {
      const std::int64_t column = item % tiling.across * tiling.outputs;
      const std::int64_t row = item / tiling.across * tiling.rows;
      const std::int64_t columns = std::min(tiling.outputs, weight.rows - column);
      const ops::Rows part = x.slice(row, std::min(tiling.rows, x.count - row));
      tile.load(column, columns);
      kernels::gemm({part.data, part.stride, 1}, tile.packed(), part.count, columns, weight.cols,
                    y.row(row) + column, y.stride, false);
      if (bias.empty()) return;
      for (std::int64_t r = row; r < row + part.count; ++r)
        kernels::add(bias.data() + column, columns, y.row(r) + column);
    };
  });
}

void multiply_vector(const WeightMatrix& weight, std::span<const float> bias, const float* x,
                     float* y, int threads) {
  const std::int64_t row_bytes = weight.cols * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t step = std::clamp<std::int64_t>(kVectorBytes / row_bytes, 1, kVectorRows);
  const std::int64_t items = (weight.rows + kVectorRows - 1) / kVectorRows;
  parallel_workers(threads, items, [&] {
    return [&, widened = Scratch<float>(step * weight.cols)](std::int64_t item) mutable {
      const std::int64_t end = std::min((item + 1) * kVectorRows, weight.rows);
      for (std::int64_t first = item * kVectorRows; first < end; first += step) {
        const std::int64_t count = std::min(step, end - first);
        widen_rows(weight, first, count, widened.data());
        kernels::stream_scores(x, 1, f32_rows(widened.data(), weight.cols, count), y + first,
                               count);
        if (!bias.empty()) kernels::add(bias.data() + first, count, y + first);
      }
    };
  });
}

}  // namespace

std::int64_t padded_outputs(std::int64_t outputs) {
  ensure_isa();
  return round_up(outputs, kernels::blocking().lanes);
}

void multiply(const WeightMatrix& weight, std::span<const float> bias, const ops::Rows& x,
              const ops::Rows& y, int threads) {
  ensure_isa();
  if (x.count == 1) {
    multiply_vector(weight, bias, x.data, y.data, threads);
  } else {
    multiply_rows(weight, bias, x, y, threads);
  }
}

}  // namespace subquad::llama
