// Line 3 of ApproxD: the largest sum of weights that the heavy sets leave to a row.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/score_filter.h"
#include "parts/sampler_gradient.h"

namespace subquad {

// log2 of the sum of 2^logit over the keys that each listed row may see and no heavy set holds;
// -inf for none. 2 rows n D flops; the same bits for any number of threads.
std::vector<double> log2_light_sums(const HeadProblem& head, const IndexList& rows,
                                    const EntrySets& heavy, int threads);

// tau of each query head of the group, over the given positions: the row that has it, and its log2.
// Rows whose sum is NaN or infinite do not count; without any it is row -1, -inf.
std::vector<SamplerGradient::Shared> find_tau(const HeadProblem& head,
                                              const std::vector<std::int32_t>& positions,
                                              const EntrySets& heavy, int threads);

}  // namespace subquad
