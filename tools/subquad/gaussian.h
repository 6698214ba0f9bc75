// Random numbers for synthetic inputs.
#pragma once

#include <Random123/boxmuller.hpp>
#include <Random123/philox.h>

#include <cstdint>

#include "buffer.h"

namespace subquad::cli {

// Independent standard normal draws, counter-based: the same (seed, stream) gives the same numbers.
class GaussianStream {
 public:
  GaussianStream(std::uint64_t seed, std::uint32_t stream) : stream_(stream) {
    key_[0] = static_cast<std::uint32_t>(seed);
    key_[1] = static_cast<std::uint32_t>(seed >> 32);
  }
  float next() {
    if (left_ == 0) refill();
    return values_[--left_];
  }

 private:
  void refill() {
    const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(block_),
                                                 static_cast<std::uint32_t>(block_ >> 32), stream_,
                                                 0u}};
    const auto bits = r123::Philox4x32()(counter, key_);
    for (std::size_t half = 0; half < 2; ++half) {
      const r123::float2 pair = r123::boxmuller(bits[2 * half], bits[2 * half + 1]);
      values_[2 * half] = pair.x;
      values_[2 * half + 1] = pair.y;
    }
    ++block_;
    left_ = 4;
  }

  r123::Philox4x32::key_type key_{};
  std::uint32_t stream_;
  std::uint64_t block_ = 0;
  float values_[4] = {};
  std::size_t left_ = 0;
};

// A tensor of standard normal values, rounded to `dtype`.
Buffer gaussian_buffer(const Shape4& shape, DType dtype, std::uint64_t seed, std::uint32_t stream);

}  // namespace subquad::cli
