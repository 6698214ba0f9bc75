#include "far/fit/ridge_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/threads.h"
#include "kernels/cholesky.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// f32 sums run over this many rows; the blocks are summed in double.
constexpr std::int64_t kBlock = 64;
constexpr std::int64_t kTile = 64;     // rows and columns of a product's tile
constexpr std::int64_t kColumns = 32;  // right-hand sides solved at once

// A pivot below this part of its diagonal is rounding: sums of kBlock products in f32.
constexpr double kGramPrecision = kBlock * 0x1p-24;

// The largest float below 1: what rounding may not pass, so that 1 - leverage can be divided by.
constexpr float kBelowOne = 1 - 0x1p-24f;

std::int64_t ceil_divide(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step;
}

kernels::RowSource plain_rows(const float* data, std::int64_t stride, std::int64_t rows,
                              std::int64_t columns) {
  return {data, DType::f32, stride, columns, nullptr, 0, rows};
}

// Sums F^T B for some columns of F and B in f32 tiles. Owns the scratch: one for each worker.
class TransposedProduct {
 public:
  TransposedProduct(const float* features, std::int64_t width)
      : features_(features), width_(width), packed_(kBlock * kTile), tile_(kTile * kTile) {}

  // out[i * stride + j] += sum_k F(k, begin + i) B(k, j) for begin + i < end; B has at most kTile
  // columns.
  void add(std::int64_t begin, std::int64_t end, const kernels::RowSource& b, double* out,
           std::int64_t stride) {
    for (std::int64_t k = 0; k < b.count; k += kBlock) {
      const kernels::RowSource block = b.slice(k, std::min(kBlock, b.count - k));
      kernels::pack_rows(block, packed_.data(), block.count * kernels::blocking().panel);
      for (std::int64_t i = begin; i < end; i += kTile)
        add_tile(features_ + k * width_ + i, std::min(kTile, end - i), block,
                 out + (i - begin) * stride, stride);
    }
  }

 private:
  void add_tile(const float* features, std::int64_t rows, const kernels::RowSource& block,
                double* out, std::int64_t stride) {
    const std::int64_t panel = kernels::blocking().panel;
    kernels::gemm({features, 1, width_}, {packed_.data(), block.count * panel, panel}, rows,
                  block.width, block.count, tile_.data(), kTile, false);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < block.width; ++j)
        out[i * stride + j] += static_cast<double>(tile_[i * kTile + j]);
  }

  const float* features_;
  std::int64_t width_;
  Scratch<float> packed_;
  Scratch<float> tile_;
};

// Lower triangle of F^T F (and what completes its diagonal tiles).
void gram(const float* features, std::int64_t rows, std::int64_t width, double* out,
          std::int64_t stride, int threads) {
  std::vector<std::pair<std::int64_t, std::int64_t>> tiles;
  for (std::int64_t i = 0; i < width; i += kTile)
    for (std::int64_t j = 0; j <= i; j += kTile) tiles.emplace_back(i, j);
  std::fill_n(out, width * stride, 0.0);
  parallel_workers(threads, static_cast<std::int64_t>(tiles.size()), [&] {
    return [&, product = TransposedProduct(features, width)](std::int64_t n) mutable {
      const auto [i, j] = tiles[static_cast<std::size_t>(n)];
      const std::int64_t columns = std::min(kTile, width - j);
      product.add(i, std::min(i + kTile, width), plain_rows(features + j, width, rows, columns),
                  out + i * stride + j, stride);
    };
  });
}

double trace(const double* matrix, std::int64_t n, std::int64_t stride) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += matrix[i * stride + i];
  return sum;
}

// Cuts c columns into runs of about kColumns, by c alone; function(worker, begin, count).
template <typename MakeWorker, typename Function>
void for_columns(std::int64_t c, int threads, const MakeWorker& make, const Function& function) {
  const std::int64_t runs = ceil_divide(c, kColumns);
  const std::int64_t step = ceil_divide(ceil_divide(c, std::max<std::int64_t>(runs, 1)), 8) * 8;
  parallel_workers(resolved_threads(threads), runs, [&] {
    return [&, worker = make()](std::int64_t run) mutable {
      const std::int64_t begin = run * step;
      if (begin < c) function(worker, begin, std::min(step, c - begin));
    };
  });
}

// Rows of `from` (f32) as doubles, kColumns apart, and back.
void load_columns(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                  double* to) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      to[i * kColumns + j] = static_cast<double>(from[i * stride + j]);
}

void store_columns(const double* from, std::int64_t rows, std::int64_t columns, float* to,
                   std::int64_t stride) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      to[i * stride + j] = static_cast<float>(from[i * kColumns + j]);
}

// Rows of `width` floats as columns of doubles.
void load_transposed(const float* from, std::int64_t width, std::int64_t rows, double* to) {
  for (std::int64_t i = 0; i < width; ++i)
    for (std::int64_t j = 0; j < rows; ++j)
      to[i * kColumns + j] = static_cast<double>(from[j * width + i]);
}

std::array<double, kColumns> column_squares(const double* x, std::int64_t rows,
                                            std::int64_t columns) {
  std::array<double, kColumns> sums{};
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      sums[static_cast<std::size_t>(j)] += x[i * kColumns + j] * x[i * kColumns + j];
  return sums;
}

void set_zero(float* out, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i) std::fill_n(out + i * stride, columns, 0.0f);
}

void check_arguments(std::int64_t p, std::int64_t r, double lambda) {
  if (p < 1) throw_invalid(fmt::format("RidgeFit: p must be positive, got {}", p));
  if (r < 1) throw_invalid(fmt::format("RidgeFit: r must be positive, got {}", r));
  if (!(lambda >= 0) || !std::isfinite(lambda))
    throw_invalid(fmt::format("RidgeFit: lambda must be finite and not negative, got {}", lambda));
}

}  // namespace

RidgeFit::RidgeFit(const float* features, std::int64_t p, std::int64_t r, double lambda,
                   int threads)
    : features_(features), rows_(p), width_(r) {
  check_arguments(p, r, lambda);
  const kernels::RowSource all = plain_rows(features, r, p, r);
  if (!kernels::all_finite(all)) return;
  zero_ = std::all_of(features, features + p * r, [](float f) { return f == 0.0f; });
  ok_ = zero_;
  if (!zero_) factorize(lambda, resolved_threads(threads));
}

void RidgeFit::factorize(double lambda, int threads) {
  if (lambda == 0 && rows_ < width_) return;
  stride_ = ceil_divide(width_, 8) * 8 + 8;  // off the powers of two, which share cache sets
  factor_ = Scratch<double>(width_ * stride_);
  gram(features_, rows_, width_, factor_.data(), stride_, threads);
  ridge_ = lambda * trace(factor_.data(), width_, stride_) / static_cast<double>(width_);
  std::vector<double> floor(static_cast<std::size_t>(width_));
  for (std::int64_t j = 0; j < width_; ++j) {
    double& diagonal = factor_[j * stride_ + j];
    if (lambda == 0) floor[static_cast<std::size_t>(j)] = kGramPrecision * diagonal;
    diagonal += ridge_;
  }
  ok_ = kernels::cholesky(factor_.data(), width_, stride_);
  for (std::int64_t j = 0; j < width_; ++j) {
    const double pivot = factor_[j * stride_ + j];
    ok_ = ok_ && pivot * pivot > floor[static_cast<std::size_t>(j)];
  }
}

void RidgeFit::check_ok() const {
  if (!ok_) throw_invalid("RidgeFit: features do not give a positive definite system (see ok())");
}

void RidgeFit::solve(const float* targets, std::int64_t stride, std::int64_t c, float* coefficients,
                     std::int64_t out_stride, int threads) const {
  check_ok();
  if (zero_) return set_zero(coefficients, out_stride, width_, c);
  const auto make = [&] {
    return std::pair(TransposedProduct(features_, width_), Scratch<double>(width_ * kColumns));
  };
  for_columns(c, threads, make, [&](auto& worker, std::int64_t begin, std::int64_t count) {
    auto& [product, sums] = worker;
    std::fill_n(sums.data(), width_ * kColumns, 0.0);
    product.add(0, width_, plain_rows(targets + begin, stride, rows_, count), sums.data(),
                kColumns);
    kernels::solve_lower(factor_.data(), width_, stride_, sums.data(), count, kColumns);
    kernels::solve_lower_transposed(factor_.data(), width_, stride_, sums.data(), count, kColumns);
    store_columns(sums.data(), width_, count, coefficients + begin, out_stride);
  });
}

void RidgeFit::apply_inverse(const float* rhs, std::int64_t stride, std::int64_t c, float* out,
                             std::int64_t out_stride, int threads) const {
  check_ok();
  if (zero_) return set_zero(out, out_stride, width_, c);
  const auto make = [&] { return Scratch<double>(width_ * kColumns); };
  for_columns(c, threads, make, [&](Scratch<double>& x, std::int64_t begin, std::int64_t count) {
    load_columns(rhs + begin, stride, width_, count, x.data());
    kernels::solve_lower(factor_.data(), width_, stride_, x.data(), count, kColumns);
    kernels::solve_lower_transposed(factor_.data(), width_, stride_, x.data(), count, kColumns);
    store_columns(x.data(), width_, count, out + begin, out_stride);
  });
}

std::vector<float> RidgeFit::leverages(int threads) const {
  check_ok();
  std::vector<float> result(static_cast<std::size_t>(rows_));
  if (zero_) return result;
  const auto make = [&] { return Scratch<double>(width_ * kColumns); };
  for_columns(
      rows_, threads, make, [&](Scratch<double>& x, std::int64_t begin, std::int64_t count) {
        load_transposed(features_ + begin * width_, width_, count, x.data());
        kernels::solve_lower(factor_.data(), width_, stride_, x.data(), count, kColumns);
        const std::array<double, kColumns> squares = column_squares(x.data(), width_, count);
        for (std::int64_t j = 0; j < count; ++j)
          result[static_cast<std::size_t>(begin + j)] =
              std::min(static_cast<float>(squares[static_cast<std::size_t>(j)]), kBelowOne);
      });
  return result;
}

}  // namespace subquad
