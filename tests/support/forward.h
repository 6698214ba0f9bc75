// Running the library's exact forward into guarded buffers and comparing with the reference.
#pragma once

#include <cstdint>
#include <string>

#include "subquad/attention.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

struct ForwardRun {
  TensorBuffer out, lse;
  Report report;
};

ForwardRun run_forward(const Problem& problem, DType out_type, int threads = 0,
                       const Layout& layout = {}, const std::string& spec = "exact");

// Arithmetic is f32 whatever the storage: what the output type's own rounding adds is all that
// differs.
double forward_tolerance(DType out_type);

// Of all entries together: relative, in the Frobenius norm.
double relative_error(const TensorBuffer& got, const DenseTensor& want);

// Weights in bf16 (rows/tile_block.h): each is off by at most 0.0057 of itself, and so is their
// sum.
double weight_error(const Report& report);

// Where the reference is not finite: exact asks for the same infinity or a NaN too, any for some
// value that is not finite (a weight of 0 or of 1e-50 makes NaN or Inf out of Inf).
enum class NonFinite : std::uint8_t { exact, any };

bool same_non_finite(double found, double expected, NonFinite rule);

// Largest |got - want|, infinite where only one is finite.
double max_difference(const TensorBuffer& got, const DenseTensor& want,
                      NonFinite rule = NonFinite::exact);

// The error of an output in units of max(1, largest |score|) * max |V|.
double out_error(const ForwardRun& run, const ReferenceAttention& reference,
                 NonFinite rule = NonFinite::exact);

void expect_forward(const Problem& problem, const ForwardRun& run,
                    const ReferenceAttention& reference, NonFinite rule = NonFinite::exact);

}  // namespace subquad::testing
