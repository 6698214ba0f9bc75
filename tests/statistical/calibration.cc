#include "statistical/calibration.h"

#include <cmath>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace subquad::testing {

ErrorPair error_pair(const OwnedProblem& owned, const ReferenceAttention& exact,
                     const std::string& spec, std::uint64_t seed) {
  TensorBuffer out(DType::f32, owned.out_shape()), error(DType::f32, owned.row_shape());
  Options options;
  options.seed = seed;
  options.threads = 1;
  attend(owned.problem, spec, {out.mutable_view(), {}, error.mutable_view()}, options);
  ErrorPair pair;
  out.for_each([&](auto b, auto h, auto i, auto c) {
    pair.measured += std::pow(out.get(b, h, i, c) - exact.out.row(b, h, i)[c], 2);
  });
  error.for_each([&](auto b, auto h, auto i, auto c) {
    pair.estimated += std::pow(error.get(b, h, i, c), 2);
  });
  return pair;
}

void check_calibrated(const OwnedProblem& owned, const std::string& spec, double band, int draws) {
  const ReferenceAttention exact(owned.problem);
  double measured = 0, gap = 0, gap_squares = 0;
  for (int seed = 0; seed < draws; ++seed) {
    const ErrorPair pair = error_pair(owned, exact, spec, static_cast<std::uint64_t>(seed));
    measured += pair.measured / draws;
    gap += (pair.estimated - pair.measured) / draws;
    gap_squares += std::pow(pair.estimated - pair.measured, 2) / draws;
  }
  const double standard_error = std::sqrt((gap_squares - gap * gap) / (draws - 1));
  EXPECT_LT(7 * standard_error, 0.25 * measured) << spec;
  EXPECT_LE(std::fabs(gap), 7 * standard_error + band * measured)
      << spec << ": estimated / measured = " << 1 + gap / measured;
}

}  // namespace subquad::testing
