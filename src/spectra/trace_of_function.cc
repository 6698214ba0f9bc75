// Traces of functions of the kernel matrix by stochastic Lanczos quadrature.
//
// source: Ubaru, Chen and Saad 2017, Algorithm 1; sign vectors of Hutchinson 1989.
// use when: log det(K + ridge I), effective dimensions, counts of eigenvalues in an interval.
// do not use for: trace(K) (it is n).
// assumption: f is smooth where K has eigenvalues; steps of 20 resolve a spectrum that falls fast.
// cost: steps products of `probes` columns; 2 n steps^2 flops a probe for orthogonality.
// parameters: TraceOptions.
#include <algorithm>
#include <cmath>
#include <vector>

#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include "core/rng.h"
#include "spectra/block_product.h"
#include "subquad/error.h"
#include "subquad/spectrum.h"

namespace subquad {
namespace {

using Vector = Eigen::VectorXd;

void check_trace_options(const TraceOptions& options) {
  if (options.probes < 2 || options.probes > 512)
    throw_invalid(fmt::format("probes: {} must be 2 to 512", options.probes));
  if (options.steps < 1 || options.steps > 200)
    throw_invalid(fmt::format("steps: {} must be 1 to 200", options.steps));
}

Block sign_block(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  const Rng rng(seed, 0);
  Block block(rows, columns);
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto bits = rng.bits(Purpose::start_block, static_cast<std::uint32_t>(r),
                                 static_cast<std::uint32_t>(c));
      block(r, c) = (bits & 1) != 0 ? 1 : -1;
    }
  return block;
}

// One probe's Lanczos recursion, with all vectors kept orthogonal.
struct Recursion {
  Block basis;  // n x steps
  std::vector<double> diagonal, beside;
  bool ended = false;  // the basis spans an invariant space

  // `image`: K times the newest vector. Takes the next one into the basis if there is room.
  void advance(Vector image, std::int64_t steps) {
    constexpr double kNothing = 1e-6;  // of |K v|: what products in f32 leave of zero
    const auto count = static_cast<std::int64_t>(diagonal.size()) + 1;
    const double size = image.norm();
    diagonal.push_back(basis.col(count - 1).dot(image));
    for (int twice = 0; twice < 2; ++twice)
      image -= basis.leftCols(count) * (basis.leftCols(count).transpose() * image);
    const double left = image.norm();
    ended = count == steps || left <= kNothing * size;
    if (ended) return;
    beside.push_back(left);
    basis.col(count) = image / left;
  }

  // Of the unit start vector: sum over Ritz values of weight f(theta).
  double quadrature(const std::function<double(double)>& function) const {
    const auto count = static_cast<Eigen::Index>(diagonal.size());
    Eigen::SelfAdjointEigenSolver<Block> eigen;
    eigen.computeFromTridiagonal(Eigen::Map<const Vector>(diagonal.data(), count),
                                 Eigen::Map<const Vector>(beside.data(), count - 1));
    double sum = 0;
    for (Eigen::Index i = 0; i < count; ++i)
      sum +=
          std::pow(eigen.eigenvectors()(0, i), 2) * function(std::max(0.0, eigen.eigenvalues()[i]));
    return sum;
  }
};

// All probes advance together: a step is one product.
std::vector<Recursion> run_lanczos(BlockProduct& product, const Block& starts, std::int64_t steps) {
  std::vector<Recursion> all(static_cast<std::size_t>(starts.cols()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].basis.resize(starts.rows(), steps);
    all[i].basis.col(0) = starts.col(static_cast<Eigen::Index>(i)).normalized();
  }
  while (true) {
    std::vector<Recursion*> open;
    for (Recursion& one : all)
      if (!one.ended) open.push_back(&one);
    if (open.empty()) return all;
    Block newest(starts.rows(), static_cast<Eigen::Index>(open.size()));
    for (std::size_t i = 0; i < open.size(); ++i)
      newest.col(static_cast<Eigen::Index>(i)) =
          open[i]->basis.col(static_cast<Eigen::Index>(open[i]->diagonal.size()));
    const Block image = product.times(newest);
    for (std::size_t i = 0; i < open.size(); ++i)
      open[i]->advance(image.col(static_cast<Eigen::Index>(i)), steps);
  }
}

}  // namespace

TraceEstimate trace_of_function(const KernelOperator& kernel,
                                const std::function<double(double)>& function,
                                const TraceOptions& options) {
  check_trace_options(options);
  const std::int64_t size = kernel.size();
  BlockProduct product(kernel);
  const std::vector<Recursion> all = run_lanczos(
      product, sign_block(size, options.probes, options.seed), std::min(options.steps, size));
  Vector traces(options.probes);
  for (std::size_t i = 0; i < all.size(); ++i)
    traces[static_cast<Eigen::Index>(i)] = static_cast<double>(size) * all[i].quadrature(function);
  const auto probes = static_cast<double>(options.probes);
  const double mean = traces.mean();
  const double square = (traces.array() - mean).square().sum() / (probes - 1);
  return {mean, std::sqrt(square / probes), product.columns()};
}

}  // namespace subquad
