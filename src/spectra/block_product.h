// Products of a kernel operator with blocks of columns in double precision.
#pragma once

#include <cstdint>
#include <string>

#include <Eigen/Core>

#include "subquad/kernel_operator.h"

namespace subquad {

// n x p, each column a vector.
using Block = Eigen::MatrixXd;

// Counts what it multiplies. Columns go through f32: an error of about 1e-7 of each product.
class BlockProduct {
 public:
  // The kernel must outlive it.
  explicit BlockProduct(const KernelOperator& kernel, bool exactly = false)
      : kernel_(kernel), exactly_(exactly) {}

  // K block; at least one column. Throws Error (failed) where the product is not finite.
  Block times(const Block& block);
  std::int64_t columns() const { return columns_; }  // multiplied so far
  const std::string& path() const { return path_; }  // of the last product

 private:
  const KernelOperator& kernel_;
  bool exactly_;
  std::int64_t columns_ = 0;
  std::string path_;
};

// Standard normal entries: those of a column do not depend on how many there are.
Block random_block(std::int64_t rows, std::int64_t columns, std::uint64_t seed);

}  // namespace subquad
