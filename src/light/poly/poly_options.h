// What a polynomial light part is asked for.
#pragma once

#include <cstdint>

#include "light/poly/exp_polynomial.h"

namespace subquad {

struct PolyOptions {
  std::int64_t degree = 2;
  double bound = 0;  // of |scale <q, k>|; 0: each row's own, |q| times the largest |k|
  ExpFit fit = ExpFit::minimax;
  double error = 0;  // rows whose interval has a larger relative error run exactly; 0: none do
  std::int64_t buckets = 1;  // of keys, by their norms
  std::int64_t chunk = 0;    // causal: positions of the exact near field; 0: by shape
  // Algorithm 1 as printed: entries of q and k above it are zero in the features, and what is taken
  // out for a heavy entry is 1. 0: off.
  double printed_threshold = 0;
};

}  // namespace subquad
