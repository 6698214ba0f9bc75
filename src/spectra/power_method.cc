#include "spectra/power_method.h"

#include <algorithm>
#include <limits>

namespace subquad {
namespace {

// Iterations without a better residual after which the products' own error is taken to be reached.
constexpr std::int64_t kPatience = 6;
constexpr double kBetter = 0.98;

std::int64_t block_width(std::int64_t size, const SpectrumOptions& options) {
  const std::int64_t more =
      options.oversample >= 0 ? options.oversample : std::max<std::int64_t>(4, options.count / 2);
  return std::min(size, options.count + more);
}

// Says when to stop: residuals below the tolerance, or no better for a while.
class Progress {
 public:
  bool better(double residual) {
    if (residual < kBetter * best_) {
      best_ = residual;
      since_ = 0;
      return true;
    }
    return ++since_ < kPatience;
  }

 private:
  double best_ = std::numeric_limits<double>::infinity();
  std::int64_t since_ = 0;
};

}  // namespace

RitzPairs power_method(BlockProduct& product, std::int64_t size, const SpectrumOptions& options) {
  Block basis = orthonormal(random_block(size, block_width(size, options), options.seed));
  RitzPairs pairs;
  Progress progress;
  while (pairs.iterations < options.max_iterations) {
    const Block image = product.times(basis);
    ++pairs.iterations;
    const Rotation rotation = rotate(basis, image);
    const auto wanted = rotation.coordinates.leftCols(options.count);
    pairs.values = rotation.values.head(options.count);
    pairs.vectors = basis * wanted;
    const double residual = residual_norms(image * wanted, pairs).maxCoeff();
    pairs.converged = residual <= options.tolerance * pairs.values[0];
    if (pairs.converged || !progress.better(residual)) break;
    basis = orthonormal(image * rotation.coordinates);
  }
  return pairs;
}

}  // namespace subquad
