// multipole(clusters, order, rank, fit, ...): all keys that are not heavy, by clusters of them.
//
// source: ours (docs/theory/far_field.md); orders 1 and 2 after the improved fast Gauss
// transform and treecodes, `open` after Barnes and Hut. A cluster is one pseudo key at its mean
// with its summed values (order 0), their slope (1), and the spread of its keys (2). `fit`
// corrects the coefficients by what exact evaluation of that many rows shows missing; `open`
// evaluates the keys of clusters that still miss more than that exactly, group of rows by group
// of rows. With `error`, the largest `open` is taken whose leave-one-out error stays below it,
// and the head runs exactly if there is none or if exact is faster.
// use when: attention is spread over many keys. docs/guide/far.md has its errors beside those
// of sampling.
// Under a causal mask it is not strict: clusters and fit take in all tokens, later ones too.
// do not use for: element masks, sliding windows (an error says so), fewer than about 2,500
// keys.
// cost: clusters + opened keys + probes * n / rows a row, for all n.
// backward: through the fit, and the moments of orders 1 and 2 within the directions they keep.
// parameters: clusters 1 to 16,384, default 256; order 0 to 2, default 0; rank of the spread
// (order 1, 2) 0 to 512, default 8; fit probe rows, 0 to 65,536, default 512; open threshold
// relative to the output's rms, 0 (none, default) to 1e6; error 0 (none, default) to 10; group
// rows that share their opened clusters, 8 to 264, default 64; cluster tree | kmeans | lsh,
// default tree; ridge of the fit, to 1e3, 0 (default): 3e-4, from 8,192 keys on 1e-3 or 1e-5 by
// leave-one-out error, causal 1e-3; chunk keys of a summary where there is a causal mask, 64 to
// 2^20, default 1024; margin share of exact's cost above which exact is taken (with `error`),
// default 0.8; always: never exact for its cost, default false; residual sampled keys for each
// block of rows that remove the estimate's bias (residual_sample.h), 0 (none, default) to 2^20;
// not with `error` or order 2; fit then is 0, or with `open` only chooses what to open.
#pragma once

#include <memory>

#include "far/multipole_options.h"
#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_multipole_rule(const SpecPart& spec);
std::unique_ptr<LightRule> make_multipole(const MultipoleOptions& options);

}  // namespace subquad
