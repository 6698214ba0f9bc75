#include "kernel_sums/kernel_gradients.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernel_sums/centered_tile.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// Rows of the other side as the right side of a product: (p, 1) or (p, 1, p^2) of each point, and
// the weights across.
class FeatureTile {
 public:
  FeatureTile(const KernelFrame& frame, std::int64_t capacity, bool with_squares)
      : frame_(frame),
        with_squares_(with_squares),
        panel_(kernels::blocking().panel),
        features_(capacity * width()),
        packed_features_(capacity * round_up(width(), panel_)),
        packed_weights_(capacity * frame.channels) {}

  std::int64_t width() const { return frame_.dim + 1 + (with_squares_ ? frame_.dim : 0); }

  void pack(const CenteredTile& tile) {
    capacity_ = tile.capacity();
    for (std::int64_t k = 0; k < tile.columns(); ++k)
      fill(tile.points() + k * frame_.dim, features_.data() + k * width());
    kernels::pack_rows(rows_of(features_.data(), width(), tile.columns()), packed_features_.data(),
                       capacity_ * panel_);
    weight_stride_ = kernels::pack_transposed(
        rows_of(tile.values(), frame_.channels, tile.columns()), packed_weights_.data());
  }
  // out[r][k] = <weights of row r, weights of key k>.
  void multiply_weights(const float* weights, std::int64_t rows, std::int64_t columns, float* out,
                        std::int64_t stride) const {
    kernels::gemm({weights, frame_.channels, 1}, {packed_weights_.data(), weight_stride_, panel_},
                  rows, columns, frame_.channels, out, stride, false);
  }
  // out[r] = sum_k a[r][k] features of key k.
  void multiply_features(const float* a, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns, float* out, std::int64_t out_stride) const {
    kernels::gemm({a, stride, 1}, {packed_features_.data(), capacity_ * panel_, panel_}, rows,
                  width(), columns, out, out_stride, false);
  }

 private:
  static kernels::RowSource rows_of(const float* data, std::int64_t width, std::int64_t count) {
    return {data, DType::f32, width, width, nullptr, 0, count};
  }
  void fill(const float* point, float* out) const {
    std::copy_n(point, frame_.dim, out);
    out[frame_.dim] = 1;
    if (!with_squares_) return;
    for (std::int64_t c = 0; c < frame_.dim; ++c) out[frame_.dim + 1 + c] = point[c] * point[c];
  }

  const KernelFrame& frame_;
  bool with_squares_;
  std::int64_t panel_, capacity_ = 0, weight_stride_ = 0;
  Scratch<float> features_, packed_features_, packed_weights_;
};

class SideWorker {
 public:
  SideWorker(const KernelFrame& frame, const KernelSide& own, const KernelSide& other,
             const SideGradients& gradients, std::int64_t most)
      : frame_(frame),
        own_(own),
        other_(other),
        gradients_(gradients),
        step_(2 * kernels::blocking().rows),
        tile_(frame_, key_tile_size(2 * frame.dim, frame.channels)),
        features_(frame_, tile_.capacity(), gradients.squares != nullptr),
        stride_(tile_.capacity() + 16),
        product_stride_(round_up(std::max(features_.width(), frame.channels), 32)),
        points_(most * frame.dim),
        weights_(most * frame.channels),
        half_(most),
        scores_(step_ * stride_),
        shares_(step_ * stride_),
        products_(step_ * product_stride_),
        sums_(most * frame.channels),
        moments_(most * features_.width()) {}

  // Adds to `squares`, D numbers, what the block's rows have to do with them.
  void run(const QueryBlock& block, double* squares) {
    load(block);
    for (std::int64_t begin = 0; begin < other_.count; begin += tile_.capacity()) {
      const std::int64_t count = std::min(tile_.capacity(), other_.count - begin);
      tile_.pack({other_.points, other_.weights}, index_range(begin, begin + count),
                 block.center.data());
      features_.pack(tile_);
      for (std::int64_t r = 0; r < block.list().count; r += step_)
        meet(r, std::min(step_, block.list().count - r));
    }
    store(block, squares);
  }

 private:
  void load(const QueryBlock& block) {
    const IndexList rows = block.list();
    for (std::int64_t r = 0; r < rows.count; ++r) {
      half_[r] = frame_.place_query(own_.points + rows[r] * frame_.dim, block.center.data(),
                                    points_.data() + r * frame_.dim);
      std::copy_n(own_.weights + rows[r] * frame_.channels, frame_.channels,
                  weights_.data() + r * frame_.channels);
    }
    std::ranges::fill(sums_.span(), 0.0);
    std::ranges::fill(moments_.span(), 0.0);
  }

  void meet(std::int64_t row, std::int64_t count) {
    const std::int64_t columns = tile_.columns(), width = features_.width();
    tile_.score(points_.data() + row * frame_.dim, count, scores_.data(), stride_);
    kernels::gauss_weights(
        {scores_.data(), stride_, count, columns, tile_.bias(), half_.data() + row});
    if (gradients_.sums != nullptr)
      tile_.add_products(scores_.data(), stride_, count, products_.data(), product_stride_,
                         sums_.data() + row * frame_.channels);
    if (gradients_.moves == nullptr && gradients_.squares == nullptr) return;
    features_.multiply_weights(weights_.data() + row * frame_.channels, count, columns,
                               shares_.data(), stride_);
    for (std::int64_t r = 0; r < count; ++r)
      multiply(scores_.data() + r * stride_, columns, shares_.data() + r * stride_);
    features_.multiply_features(shares_.data(), stride_, count, columns, products_.data(),
                                product_stride_);
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t c = 0; c < width; ++c)
        moments_[(row + r) * width + c] += double{products_[r * product_stride_ + c]};
  }

  static void multiply(const float* factors, std::int64_t count, float* out) {
#pragma omp simd
    for (std::int64_t k = 0; k < count; ++k) out[k] *= factors[k];
  }

  void store(const QueryBlock& block, double* squares) const {
    const IndexList rows = block.list();
    for (std::int64_t r = 0; r < rows.count; ++r) {
      for (std::int64_t c = 0; gradients_.sums != nullptr && c < frame_.channels; ++c)
        gradients_.sums[rows[r] * frame_.channels + c] =
            static_cast<float>(sums_[r * frame_.channels + c]);
      store_moves(r, rows[r]);
      if (gradients_.squares != nullptr) add_squares(r, squares);
    }
  }
  // sum a (o - p) = sum a o - p sum a.
  void store_moves(std::int64_t r, std::int64_t row) const {
    if (gradients_.moves == nullptr) return;
    const double* moment = moments_.data() + r * features_.width();
    for (std::int64_t c = 0; c < frame_.dim; ++c)
      gradients_.moves[row * frame_.dim + c] =
          moment[c] - double{points_[r * frame_.dim + c]} * moment[frame_.dim];
  }
  // sum a (o - p)^2.
  void add_squares(std::int64_t r, double* squares) const {
    const std::int64_t dim = frame_.dim;
    const double* moment = moments_.data() + r * features_.width();
    for (std::int64_t c = 0; c < dim; ++c) {
      const double p = points_[r * dim + c];
      squares[c] += moment[dim + 1 + c] - 2 * p * moment[c] + p * p * moment[dim];
    }
  }

  const KernelFrame& frame_;
  KernelSide own_, other_;
  SideGradients gradients_;
  std::int64_t step_;
  CenteredTile tile_;
  FeatureTile features_;
  std::int64_t stride_, product_stride_;
  Scratch<float> points_, weights_, half_, scores_, shares_, products_;
  Scratch<double> sums_, moments_;
};

}  // namespace

void side_gradients(const std::vector<float>& scales, std::int64_t channels, const KernelSide& own,
                    const KernelSide& other, const SideGradients& gradients, const Rng& rng,
                    int threads) {
  const KernelFrame frame{std::ssize(scales), channels, scales.data(), false};
  const std::int64_t most = row_block_size(2 * frame.dim, channels);
  const std::vector<QueryBlock> blocks =
      make_query_blocks({own.points, own.count, scales}, most, rng, threads);
  // By block, so that threads do not change the order of the sum.
  std::vector<double> squares(gradients.squares != nullptr ? blocks.size() * scales.size() : 0);
  parallel_workers(threads, std::ssize(blocks), [&] {
    return [&, worker = std::make_unique<SideWorker>(frame, own, other, gradients, most)](
               std::int64_t i) {
      worker->run(blocks[static_cast<std::size_t>(i)], squares.data() + i * frame.dim);
    };
  });
  for (std::size_t i = 0; i < squares.size(); ++i)
    gradients.squares[i % scales.size()] += squares[i];
}

}  // namespace subquad
