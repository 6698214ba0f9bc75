// Query rows drawn at random for the probes.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/rng.h"

namespace subquad {

// `count` of the head's query positions without replacement, every subset equally likely, as rows
// of the head: ascending, all rows of a position. 0 <= count <= query_len.
std::vector<std::int32_t> sample_rows(const HeadProblem& head, std::int64_t count, const Rng& rng);

}  // namespace subquad
