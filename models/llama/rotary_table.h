// Cosines and sines of rotary embedding for every position of a context.
#pragma once

#include <cstdint>
#include <vector>

#include "llama/config.h"

namespace subquad::llama {

// Angles per position of each pair of a head: base^(-2i / dimensions), slowed by linear scaling
// (divided by the factor) or by YaRN (Peng et al. 2023: pairs that turn fewer than once in the
// trained context are slowed, those that turn more than 32 times are not, a ramp between) or as
// Llama 3.1 has it (the same with turns of its own and a ramp over turns instead of pairs).
// Divisors divide angles before that.
std::vector<double> rotary_frequencies(const RotaryConfig& config);

class RotaryTable {
 public:
  // Throws Error (invalid_argument) for a base, factor or number of dimensions that makes no sense.
  RotaryTable(const RotaryConfig& config, std::int64_t positions);

  // Turns the leading `dimensions` entries of a head, in place. position < positions.
  void turn(std::int64_t position, float* head) const;

 private:
  std::int64_t pairs_;
  RotaryPairs layout_;
  std::vector<float> cos_, sin_;  // (positions, pairs)
};

}  // namespace subquad::llama
