// treecode(error, leaf, chunk, window, ..): all keys, near ones and those of opened leaves exactly,
// the others as one pseudo key a leaf.
//
// source: ours (docs/theory/causal_far_field.md); opening by an acceptance criterion after Barnes
// and Hut 1986. Keys of finished chunks are sorted into leaves of `leaf` keys that lie close
// together; a row opens the leaves that may hold more than it can leave out, by itself. How much
// that is, a few probe rows say, which are evaluated exactly: for each query head the most that
// keeps the relative error below `error`. Nothing that a row gets depends on later tokens.
// use when: long sequences, text too, with or without a causal mask.
// do not use for: fewer than about 2,000 keys; element masks, sliding windows, few queries and bf16
// on matrix units: they run exactly; heads whose rows fetch single keys at random: too few probes
// see such (read the estimate).
// cost: n / leaf pseudo keys, window + chunk / 2 near keys and the opened ones a row;
// 1 / probe_every of exact attention for the probes.
// backward: exact derivative of the forward, with what each row opens taken as a constant
// (treecode_backward.h).
// parameters: error 1e-4 to 1, default 0.03; leaf keys 8 to 256, a multiple of 8, default 32; chunk
// keys, a multiple of leaf up to 65,536, default 512; window keys before a row that are always
// exact, 0 to 2^20, default 128; probe_every positions a probe row is drawn from, 1 to 65,536,
// default 96, closer at the front; margin of the error that the probes may have, default 0.8; most
// share of exact's cost above which rows run exactly, default 0.9; always: never exact for its
// cost, default false.
#pragma once

#include <cstdint>
#include <memory>

#include "far/leaves/leaf_choice.h"
#include "far/leaves/leaf_index.h"
#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

struct TreecodeOptions {
  LeafTarget target;
  LeafShape shape;
  std::int64_t window = 128;
  std::int64_t probe_every = 96;
};

std::unique_ptr<LightRule> make_treecode_rule(const SpecPart& spec);
std::unique_ptr<LightRule> make_treecode(const TreecodeOptions& options);

}  // namespace subquad
