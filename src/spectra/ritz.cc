#include "spectra/ritz.h"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

namespace subquad {

Block orthonormal(const Block& block) {
  const Eigen::HouseholderQR<Block> qr(block);
  return qr.householderQ() * Block::Identity(block.rows(), block.cols());
}

Rotation rotate(const Block& basis, const Block& image) {
  const Block product = basis.transpose() * image;
  const Eigen::SelfAdjointEigenSolver<Block> eigen((product + product.transpose()) / 2);
  return {eigen.eigenvalues().reverse(), eigen.eigenvectors().rowwise().reverse()};
}

Eigen::VectorXd residual_norms(const Block& image, const RitzPairs& pairs) {
  return (image - pairs.vectors * pairs.values.asDiagonal()).colwise().norm();
}

}  // namespace subquad
