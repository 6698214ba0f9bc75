// Approximate eigenpairs of a symmetric operator.
#pragma once

#include <cstdint>

#include <Eigen/Core>

#include "spectra/block_product.h"
#include "subquad/spectrum.h"

namespace subquad {

// Columns are vectors, values descend.
struct RitzPairs {
  Eigen::VectorXd values;
  Block vectors;
  std::int64_t iterations = 0;
  bool converged = false;
};

// Columns that span those of the block, orthonormal.
Block orthonormal(const Block& block);

// Rayleigh-Ritz in the span of orthonormal `basis`, whose products are `image`: theta and the
// vectors' coordinates in the basis, both by descending theta. The small matrix is made symmetric.
struct Rotation {
  Eigen::VectorXd values;
  Block coordinates;
};
Rotation rotate(const Block& basis, const Block& image);

// |K v - theta v| of each pair, from the products of the vectors.
Eigen::VectorXd residual_norms(const Block& image, const RitzPairs& pairs);

}  // namespace subquad
