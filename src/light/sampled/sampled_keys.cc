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
                         std::vector<float> bias, const SampleDraw& draw, std::vector<float> counts)
    : sample_(std::move(sample)), bias_(std::move(bias)), counts_(std::move(counts)), draw_(draw) {
  ascends_ = std::is_sorted(sample_.begin(), sample_.end());
  const auto draws = static_cast<std::int64_t>(sample_.size());
  const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
  for (std::int64_t begin = 0; begin < draws; begin += step) {
    const std::int64_t count = std::min(step, draws - begin);
    tiles_.emplace_back(head.head_dim(), head.value_dim(), count)
        .pack(head, {sample_.data() + begin, 0, count, ascends_}, bias_.data() + begin);
  }
}

KeyRun SampledKeys::run(std::int64_t count) const {
  const auto draws = static_cast<std::int64_t>(sample_.size());
  return {.rows = {0, count},
          .keys = {sample_.data(), 0, draws, ascends_},
          .bias = bias_.data(),
          .tiles = tiles_,
          .sample = {draw_.draws, draw_.correction, draw_.single,
                     counts_.empty() ? nullptr : counts_.data()}};
}

std::vector<std::int32_t> keys_at(const IndexList& keys, std::vector<std::int32_t> positions) {
  for (std::int32_t& position : positions) position = static_cast<std::int32_t>(keys[position]);
  return positions;
}

}  // namespace subquad
