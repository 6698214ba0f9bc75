// One-dimensional resampling: for each output sample, the inputs it reads and their weights.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad::vit {

enum class Filter : std::uint8_t { triangle, bicubic };  // bilinear; Keys' cubic, a = -0.5

// Output sample = sum_i weights[i] * input[first + i].
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
};

// Antialiased, as Pillow's resize: the filter is widened by in / out when shrinking, samples
// outside the input are left out and the rest weighted up. For outputs [begin, begin + count) of
// `out`. in, out >= 1.
std::vector<Taps> antialiased_taps(std::int64_t in, std::int64_t out, Filter filter,
                                   std::int64_t begin, std::int64_t count);

// Not antialiased, as PyTorch's interpolate(mode="bicubic", align_corners=False): Keys' cubic with
// a = -0.75 at (i + 0.5) * in / out - 0.5; samples outside repeat the edge.
std::vector<Taps> bicubic_taps(std::int64_t in, std::int64_t out);

}  // namespace subquad::vit
