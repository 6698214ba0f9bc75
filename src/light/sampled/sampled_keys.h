// A weighted sample of keys, packed once for all rows that use it.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/key_run.h"

namespace subquad {

class SampledKeys {
 public:
  // Every sampled key stands for `weight` keys. `correction` as in SampleDraw. O(m (D + Dv)).
  SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, double weight,
              double correction);

  // Sampled key i stands for 2^bias[i] keys.
  SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, std::vector<float> bias,
              const SampleDraw& draw);

  // The run of rows [0, count) of a group; this object must outlive it.
  KeyRun run(std::int64_t count) const;

 private:
  std::vector<std::int32_t> sample_;
  std::vector<float> bias_;  // log2 weight of each sampled key
  SampleDraw draw_;
  std::vector<KeyTile> tiles_;
};

}  // namespace subquad
