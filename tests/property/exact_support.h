// Specs that must be exact, on random problems and every instruction set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "support/draws.h"
#include "support/isa.h"

namespace subquad::testing {

// On draw(first_seed), draw(first_seed + 1), ..
inline void expect_all_exact(const std::vector<std::string>& specs, std::uint64_t first_seed,
                             std::uint64_t count, OwnedProblem (*draw)(std::uint64_t)) {
  const auto [begin, end] = draws(first_seed, count);
  for (std::uint64_t seed = begin; seed < end; ++seed) {
    const OwnedProblem random = draw(seed);
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    on_every_isa([&] {
      for (const std::string& spec : specs) {
        SCOPED_TRACE(spec);
        expect_forward(random.problem, run_forward(random.problem, DType::f32, 1, {}, spec),
                       reference);
      }
    });
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace subquad::testing
