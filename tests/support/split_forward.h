// Exact attention of numbers that are split into bf16 ones: runs it and holds it to its own bound.
#pragma once

#include <cstdint>
#include <string>

#include "support/forward.h"

namespace subquad::testing {

struct SplitRun {
  ForwardRun forward;
  TensorBuffer row_error;
};

SplitRun run_split(const Problem& problem, const std::string& spec, int threads = 1,
                   DType out_type = DType::f32);

bool is_split(const Report& report);

// No finite row is off by more than its row_error; rows that went to f32 have 0, and f32's error is
// allowed. Infinities and NaN are the reference's, lse within what that leaves of it.
void expect_bounded(const Problem& problem, const SplitRun& run,
                    const ReferenceAttention& reference, NonFinite rule = NonFinite::exact);

void expect_same_split(const SplitRun& a, const SplitRun& b);

}  // namespace subquad::testing
