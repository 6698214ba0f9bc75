#include "light/sampled/sampled_keys.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rows/tile_sizes.h"

namespace subquad {

SampledKeys::SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, double weight,
                         double correction)
    : SampledKeys(head, sample,
                  std::vector<float>(sample.size(), static_cast<float>(std::log2(weight))),
                  {static_cast<std::int64_t>(sample.size()), correction}) {}

SampledKeys::SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample,
                         std::vector<float> bias, const SampleDraw& draw)
    : sample_(std::move(sample)), bias_(std::move(bias)), draw_(draw) {
  const auto draws = static_cast<std::int64_t>(sample_.size());
  const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
  for (std::int64_t begin = 0; begin < draws; begin += step) {
    const std::int64_t count = std::min(step, draws - begin);
    tiles_.emplace_back(head.head_dim(), head.value_dim(), count)
        .pack(head, {sample_.data() + begin, 0, count, true}, bias_.data() + begin);
  }
}

KeyRun SampledKeys::run(std::int64_t count) const {
  const auto draws = static_cast<std::int64_t>(sample_.size());
  return {.rows = {0, count},
          .keys = {sample_.data(), 0, draws, true},
          .bias = bias_.data(),
          .tiles = tiles_,
          .sample = draw_};
}

}  // namespace subquad
