#include "spectra/conjugate_gradients.h"

#include <algorithm>
#include <vector>

namespace subquad {
namespace {

using Columns = std::vector<Eigen::Index>;

// Column by column; all of them share products.
struct Iteration {
  Block x, residual, preconditioned, direction;
  std::vector<double> slope;  // residual . preconditioned
  Columns running;
};

Iteration start(const Block& rhs, const Eigen::VectorXd& target,
                const SpectralPreconditioner& preconditioner) {
  Iteration state;
  state.x = Block::Zero(rhs.rows(), rhs.cols());
  state.residual = rhs;
  state.preconditioned = state.direction = preconditioner.times(rhs);
  for (Eigen::Index c = 0; c < rhs.cols(); ++c) {
    state.slope.push_back(rhs.col(c).dot(state.direction.col(c)));
    if (rhs.col(c).norm() > target[c]) state.running.push_back(c);
  }
  return state;
}

// False where the curvature along the direction is not positive.
bool descend(Iteration& state, Eigen::Index c, const Eigen::VectorXd& image) {
  const double curvature = state.direction.col(c).dot(image);
  if (!(curvature > 0)) return false;
  const double step = state.direction.col(c).dot(state.residual.col(c)) / curvature;
  state.x.col(c) += step * state.direction.col(c);
  state.residual.col(c) -= step * image;
  return true;
}

// The next directions of the running columns.
void turn(Iteration& state, const Block& old_residual,
          const SpectralPreconditioner& preconditioner) {
  const Block residual = state.residual(Eigen::all, state.running);
  state.preconditioned(Eigen::all, state.running) = preconditioner.times(residual);
  for (const Eigen::Index c : state.running) {
    const auto z = state.preconditioned.col(c);
    double& slope = state.slope[static_cast<std::size_t>(c)];
    const double beta = std::max(0.0, z.dot(state.residual.col(c) - old_residual.col(c)) / slope);
    slope = z.dot(state.residual.col(c));
    state.direction.col(c) = z + beta * state.direction.col(c);
  }
}

}  // namespace

SpectralPreconditioner::SpectralPreconditioner(const Spectrum* pairs, double ridge) {
  if (pairs == nullptr || pairs->values.empty()) return;
  const auto count = static_cast<Eigen::Index>(pairs->values.size());
  using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  vectors_ = Eigen::Map<const FloatRows>(pairs->vectors.data(), pairs->size, count).cast<double>();
  gains_.resize(count);
  const double last = std::max(0.0, pairs->values.back());
  for (Eigen::Index i = 0; i < count; ++i)
    gains_[i] =
        (last + ridge) / (std::max(last, pairs->values[static_cast<std::size_t>(i)]) + ridge) - 1;
}

Block SpectralPreconditioner::times(const Block& block) const {
  if (gains_.size() == 0) return block;
  return block + vectors_ * (gains_.asDiagonal() * (vectors_.transpose() * block));
}

CgResult conjugate_gradients(BlockProduct& product, const Block& rhs,
                             const SpectralPreconditioner& preconditioner, double ridge,
                             const Eigen::VectorXd& target, std::int64_t most) {
  Iteration state = start(rhs, target, preconditioner);
  CgResult result;
  for (; !state.running.empty() && result.iterations < most; ++result.iterations) {
    const Block direction = state.direction(Eigen::all, state.running);
    const Block image = product.times(direction) + ridge * direction;
    const Block old_residual = state.residual;
    Columns running;
    for (std::size_t i = 0; i < state.running.size(); ++i) {
      const Eigen::Index c = state.running[i];
      if (!descend(state, c, image.col(static_cast<Eigen::Index>(i))))
        ++result.indefinite;
      else if (state.residual.col(c).norm() > target[c])
        running.push_back(c);
    }
    state.running = std::move(running);
    turn(state, old_residual, preconditioner);
  }
  result.residuals = state.residual.colwise().norm();
  result.x = std::move(state.x);
  return result;
}

}  // namespace subquad
