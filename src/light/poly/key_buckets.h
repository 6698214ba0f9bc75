// Keys in geometric buckets of their norms, each summed by a model of its own.
//
// source: "Support Basis" (paper 003), Appendices F and G (T_l = b (1 + eps)^l, by rows), where the
// bucket pairs are disjoint: each is summed over its own rows and keys, and (m^2 - 1) 1 never
// appears. Queries need no buckets: each row has its own interval for each bucket of keys.
#pragma once

#include <memory>
#include <vector>

#include "light/poly/poly_model.h"

namespace subquad {

struct KeyBucket {
  std::unique_ptr<EntrySet> others;  // the keys of the other buckets; nullptr: there are none
  std::unique_ptr<PolyModel> model;
};

// At least one, all of them with keys if there are more.
std::vector<KeyBucket> make_buckets(const HeadProblem& head, const EntrySets& heavy,
                                    const PolyOptions& options, int threads);

}  // namespace subquad
