// chebyshev(g, ..): exp as a polynomial of the score, all keys by sums of its monomials.
//
// source: "Support Basis" (paper 003), Algorithm 2 and Lemmas A.2 to A.4, after Aggarwal and Alman
// 2023. Ours: the smallest relative error of the degree (`fit=minimax`); an interval for each row,
// |q| times the largest |k|, instead of D max |q_i| max |k_i| for all; all r = C(D + g, g)
// monomials and no more; causal in linear time, the keys of a row's own chunk exactly. use when:
// scores are small (|q| |k| scale below about g / 2) and sequences long; with `threshold(..)` for
// the few rows and keys that are not, with `error` where it must be right. do not use for: the
// scores of trained models as they are, which reach 10 and more: degree 2 then says nothing of
// them; degrees above 2 at D = 64 (r = 47,905 at 3, 814,385 at 4); windows, element masks that
// differ by row (errors). Assumes |scale <q, k>| <= bound: then every weight is within the
// polynomial's relative error eps, and |P - D^-1 A V|_max <= 2 eps / (1 - eps) |V|_max. `error=eps`
// holds it: rows whose interval is too wide run exactly and are counted in Report::fallback_rows.
// Rows whose sum is not positive do. cost: r (Dv + 1) multiply-adds a query and as many a key;
// causal D + Dv for each of the keys in the chunk besides, about r / 4 on average. Memory: r (Dv +
// 1) floats a chunk. parameters: g degree, 1 to 32 (2); bound, 0: by row, or of all scores, up to
// 32 (0); fit = minimax | chebyshev | taylor (minimax); error relative, 0 to 1, 0: no limit (0);
// chunk causal positions, 0: by shape (0).
#pragma once

#include <memory>

#include "light/poly/poly_options.h"
#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_chebyshev_rule(const SpecPart& spec);

// The parameters above, the degree under the name `degree_key`.
PolyOptions read_poly_options(SpecReader& reader, const char* degree_key);
std::unique_ptr<LightRule> make_chebyshev(const PolyOptions& options);

}  // namespace subquad
