// The largest eigenpairs by the implicitly restarted Lanczos method of the library Spectra.
//
// source: Spectra's SymEigsSolver (ARPACK's method: Lehoucq and Sorensen 1996). use when: many or
// close eigenvalues, and products that are exact or nearly so. do not use for: products with large
// errors (the Lanczos recursion takes them for symmetric; residuals say what came of it).
// cost: 2 count + 1 products, at least 20, and about half of them again each restart, one column
// each; n (2 count + 1) doubles.
// parameters: SpectrumOptions.
#pragma once

#include "spectra/ritz.h"

namespace subquad {

RitzPairs krylov_method(BlockProduct& product, std::int64_t size, const SpectrumOptions& options);

}  // namespace subquad
