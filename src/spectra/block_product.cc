#include "spectra/block_product.h"

#include <algorithm>

#include "core/checks.h"
#include "core/rng.h"

namespace subquad {
namespace {

using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace

Block BlockProduct::times(const Block& block) {
  Block result(block.rows(), block.cols());
  for (std::int64_t first = 0; first < block.cols(); first += kMaxChannels) {
    const std::int64_t count = std::min(kMaxChannels, block.cols() - first);
    const FloatRows x = block.middleCols(first, count).cast<float>();
    FloatRows y(x.rows(), x.cols());
    const Shape4 shape{1, 1, x.rows(), x.cols()};
    const TensorView in = dense_view(static_cast<const void*>(x.data()), DType::f32, shape);
    const MutableTensorView out = dense_view(static_cast<void*>(y.data()), DType::f32, shape);
    path_ = (exactly_ ? kernel_.apply_exactly(in, out) : kernel_.apply(in, out)).path;
    if (!y.allFinite()) throw_failed("kernel product: not finite");
    result.middleCols(first, count) = y.cast<double>();
  }
  columns_ += block.cols();
  return result;
}

Block random_block(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  const Rng rng(seed, 0);
  Block block(rows, columns);
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r)
      block(r, c) = static_cast<double>(rng.normal(
          Purpose::start_block, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(c)));
  return block;
}

}  // namespace subquad
