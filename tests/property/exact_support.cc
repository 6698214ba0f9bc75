#include "property/exact_support.h"
#include "support/seeds.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace subquad::testing {

void expect_all_exact(const std::vector<std::string>& specs, std::uint64_t first_seed,
                      std::uint64_t count, OwnedProblem (*draw)(std::uint64_t)) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
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
