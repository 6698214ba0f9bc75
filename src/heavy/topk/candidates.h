// Entries of one row that may be among its k largest.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

// Memory for cutting candidates down.
struct CutScratch {
  std::vector<std::uint32_t> marks;
  std::vector<float> scores;
  std::vector<std::int32_t> ties;
};

// In order of their keys. No score is NaN or -inf.
struct Candidates {
  const float* scores;
  std::int32_t* keys;
  std::int64_t count;

  // Leaves the keys of the k largest scores; of equal ones the first. The scores no longer belong
  // to the keys then.
  void cut(std::int64_t k, CutScratch& scratch);
};

}  // namespace subquad
