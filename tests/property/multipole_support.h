// Problems that a multipole part takes, and comparison with its plain model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "property/heavy_light_support.h"
#include "support/seeds.h"
#include "support/multipole_model.h"

namespace subquad::testing {

// A random problem without element mask and sliding window, of scores of moderate size.
OwnedProblem maskless(OwnedProblem random, Causal causal);

// Makes no |score| larger than `size`: the spread of a cluster's weights then is within f32's reach
// also where order 2 guesses it wrong.
OwnedProblem calm(OwnedProblem random, double size);

// Largest error of out, in units of the largest |value|, and of lse.
struct ModelErrors {
  double out = 0, lse = 0;
};

// A head's rows with the fit and without: the part keeps the fit where that lowers its
// leave-one-out error, and a run must equal one of the two throughout.
using HeadModels = std::function<std::vector<std::vector<PlainRow>>(const HeadProblem&)>;

ModelErrors head_errors(const HeadProblem& head, const MethodRun& run,
                        const std::vector<PlainRow>& rows, double unit);

ModelErrors model_errors(const Problem& problem, const MethodRun& run, const HeadModels& models);

// check(problem, spec) for `count` drawn problems, all heavy parts and all of `lights`.
void for_drawn_and_specs(OwnedProblem (*draw)(std::uint64_t), std::uint64_t first_seed,
                         std::uint64_t count, const std::vector<std::string>& lights,
                         void (*check)(const Problem&, const std::string&));

}  // namespace subquad::testing
