// Checks that a method's results are the same bits for any number of threads, and that a sequence
// of a batch does not feel the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "support/seeds.h"

namespace subquad::testing {

void expect_same_bits(const MethodRun& a, const MethodRun& b);

void check_threads(const Problem& problem, const std::string& spec);

template <typename View>
View batch_element_view(View view, std::int64_t b) {
  view.data = static_cast<const char*>(view.data) + b * view.stride[0] * size_of(view.dtype);
  view.shape[0] = 1;
  return view;
}

// Batch element b as a problem of its own.
Problem batch_element(Problem problem, std::int64_t b);

void expect_element(const TensorBuffer& all, const TensorBuffer& alone, std::int64_t element);

void check_batch(const Problem& problem, const std::string& spec);

// check(problem, spec) for random problems, every heavy spec with every one of `light_specs`.
template <typename Check>
void for_problems_and_specs(std::uint64_t first_seed, std::uint64_t count,
                            const ProblemLimits& limits,
                            const std::vector<std::string>& light_specs, Check check) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = random_problem(seed, type_of(seed), limits);
    SCOPED_TRACE(random.description);
    for (const std::string& heavy : heavy_specs)
      for (const std::string& light : light_specs) {
        SCOPED_TRACE(joined(heavy, light));
        check(random.problem, joined(heavy, light));
        if (::testing::Test::HasFailure()) return;
      }
  }
}

}  // namespace subquad::testing
