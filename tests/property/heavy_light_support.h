// Running heavy + light methods, and problems that make their weights visible.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "subquad/attention.h"
#include "support/forward.h"
#include "support/random_problem.h"

namespace subquad::testing {

// Heavy parts alone and together, overlapping, in both orders; the empty one is no heavy part.
extern const std::vector<std::string> heavy_specs;

// The storage types in turn, f32 twice.
DType type_of(std::uint64_t seed);

// Makes a random problem causal, in one of the two alignments, if it is not.
OwnedProblem made_causal(OwnedProblem random, std::uint64_t seed);

inline std::string joined(const std::string& heavy, const std::string& light) {
  return heavy.empty() ? light : heavy + "+" + light;
}

struct MethodRun {
  TensorBuffer out, lse, row_error;
  Report report;
};

MethodRun run_method(const Problem& problem, const std::string& spec, int threads = 1,
                     std::uint64_t seed = 0, std::span<const GivenMask> given = {});

// A random problem whose scores are all 0 and whose values are the identity, with bands, boolean
// masks, groups and any layout: out(i, j) is then the weight of key j in row i over their sum, and
// exp(lse) is that sum.
OwnedProblem counting_problem(std::uint64_t seed);

// The weight of key j in row (b, h, i) of a counting problem.
double weight(const MethodRun& run, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j);

bool visible(const Problem& problem, std::int64_t b, std::int64_t h, std::int64_t i,
             std::int64_t j);

// Calls visit(b, h, i) for every row.
template <typename Visit>
void for_rows(const Problem& problem, Visit visit) {
  for (std::int64_t b = 0; b < problem.query.batch(); ++b)
    for (std::int64_t h = 0; h < problem.query.heads(); ++h)
      for (std::int64_t i = 0; i < problem.query.length(); ++i) visit(b, h, i);
}

// Keys [begin, end) of a key/value head that some row of its query heads sees: what is sampled.
std::int64_t seen_by_any(const Problem& problem, std::int64_t b, std::int64_t kv_head,
                         std::int64_t begin, std::int64_t end);

}  // namespace subquad::testing
