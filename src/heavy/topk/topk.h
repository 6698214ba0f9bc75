// topk(k, candidates), knn(..): each query keeps its k largest scores, the softmax runs over them.
//
// source: k-NN attention (KVT, Definition of the slow version and Algorithm 1). Of equal scores
// those of the first keys are kept. candidates=all: exact, no key is missed; lsh, clusters: the
// best of what an index finds (lsh_candidates.h, cluster_candidates.h), recall measured. Under a
// causal mask or a window the index of a row is built from keys that it sees (strict, the default).
// use when: a model was trained with it; or attention is flat and its tail is noise (KVT, Lemma 2).
// do not use for: speed at large n by itself: every score is computed, 2 n D flops a row; with
// candidates: k above n / 16, or where a missed key matters.
// cost: the scores, about half of exact attention; then k (D + Dv) for small k, read where the keys
// lie, or a second, masked pass for k > n / 16. Memory: 4 k bytes a row, or n / 8 for k > n / 16.
// parameters: k keys a row, 1 to 2^30, default 100; candidates all, lsh, clusters, default all;
// recall_rows rows a head searched in full to measure the recall, 0 to 2^20, default 64; those of
// the index. Needs no assumption.
#pragma once

#include <memory>
#include <string>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_topk_rule(const SpecPart& spec);
// The part in Report::path: its name and the index that was asked for, "topk:lsh".
std::string topk_path(const SpecPart& spec);

}  // namespace subquad
