// Checks of the tensors that attention writes.
#pragma once

#include "subquad/attention.h"

namespace subquad {

// Both throw Error (invalid_argument). A row target is f32, (B, Hq, Lq, 1). check_outputs() sees
// too that no output shares memory with what the call reads, or with another.
void check_outputs(const Problem& problem, const Outputs& outputs,
                   std::span<const GivenMask> given);
void check_row_target(const char* name, const Problem& problem, const MutableTensorView& view);

}  // namespace subquad
