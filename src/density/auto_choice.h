// auto: the method that a few of the queries are cheapest with.
//
// source: ours. Probe queries, spread over the call's, run by each candidate to the error asked
// for; the work that they take (kernel values, those of single queries weighted by what they cost)
// says what all queries would take, cells to be made included. Counted, not timed: the same choice
// on every run.
// use when: always, but for comparing methods.
// cost: 8 to 16 queries' work for each candidate that can still pay; none below 256 queries,
// where sampled costs no more than exact and needs nothing made, nor below 2,048 points.
#pragma once

#include <memory>
#include <string>

#include "density/density_store.h"
#include "density/estimator.h"

namespace subquad {

struct AutoChoice {
  std::shared_ptr<const DensityEstimator> estimator;
  std::string reason;
  std::int64_t evaluations = 0;  // of the probes
};

AutoChoice choose_density_method(const DensityStore& store, const DensityQueries& queries,
                                 const DensityTarget& target, int threads);

}  // namespace subquad
