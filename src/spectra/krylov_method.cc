#include "spectra/krylov_method.h"

#include <algorithm>

#include <Spectra/SymEigsSolver.h>

namespace subquad {
namespace {

// What Spectra asks of an operator.
class Products {
 public:
  using Scalar = double;

  Products(BlockProduct& product, std::int64_t size) : product_(product), size_(size) {}
  Eigen::Index rows() const { return size_; }
  Eigen::Index cols() const { return size_; }
  void perform_op(const double* x, double* y) const {
    Eigen::Map<Eigen::VectorXd>(y, size_) =
        product_.times(Eigen::Map<const Eigen::VectorXd>(x, size_));
  }

 private:
  BlockProduct& product_;
  std::int64_t size_;
};

}  // namespace

RitzPairs krylov_method(BlockProduct& product, std::int64_t size, const SpectrumOptions& options) {
  constexpr std::int64_t kLeastBasis = 20;
  const std::int64_t basis = std::min(size, std::max(2 * options.count + 1, kLeastBasis));
  Products products(product, size);
  Spectra::SymEigsSolver<Products> solver(products, options.count, basis);
  const Eigen::VectorXd start = random_block(size, 1, options.seed);
  solver.init(start.data());
  solver.compute(Spectra::SortRule::LargestAlge, options.max_iterations, options.tolerance,
                 Spectra::SortRule::LargestAlge);
  RitzPairs pairs{solver.eigenvalues(), solver.eigenvectors(), solver.num_iterations()};
  pairs.converged = pairs.values.size() == options.count;
  return pairs;
}

}  // namespace subquad
