// A weighted sample of keys, packed once for all rows that use it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "rows/key_run.h"

namespace subquad {

class SampledKeys {
 public:
  // Every sampled key stands for `weight` keys. `correction` as in SampleDraw. O(m (D + Dv)).
  SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, double weight,
              double correction);

  // Sampled key i stands for 2^bias[i] keys. `counts`: how often each was drawn; empty: once.
  SampledKeys(const HeadProblem& head, std::vector<std::int32_t> sample, std::vector<float> bias,
              const SampleDraw& draw, std::vector<float> counts = {});

  // The run of rows [0, count) of a group; this object must outlive it.
  KeyRun run(std::int64_t count) const;

 private:
  std::vector<std::int32_t> sample_;
  std::vector<float> bias_;    // log2 weight of each sampled key
  std::vector<float> counts_;  // empty: all 1
  SampleDraw draw_;
  bool ascends_ = true;
  std::vector<KeyTile> tiles_;
};

// The keys at these positions of a list.
std::vector<std::int32_t> keys_at(const IndexList& keys, std::vector<std::int32_t> positions);

}  // namespace subquad
