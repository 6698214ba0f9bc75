// The hash tables for a piece of rows, by a few queries that are compared with all of its keys.
#pragma once

#include <optional>

#include "core/rng.h"
#include "heavy/lsh_tables/lifted_scope.h"
#include "heavy/lsh_tables/lsh_tables.h"
#include "index/euclidean_lsh.h"

namespace subquad {

// `probes`: the sampled queries and the keys that they may learn from. nullopt: searching rows in
// full is no dearer, or the only way.
std::optional<EuclideanHash> plan_scope(const HeadProblem& head, const LiftedScope& probes,
                                        const LshTablesOptions& options);

}  // namespace subquad
