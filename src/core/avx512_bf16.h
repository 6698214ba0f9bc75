// Whether dot products of bf16 pairs (AVX512-BF16) are to be had, and pay.
#pragma once

namespace subquad {

bool compiled_with_dots();

// With the byte permutes (VBMI) that go with them on tiles. Asks the processor.
bool machine_has_dots();

// Whether they do more products in a second than f32 multiply-adds of the same width do, by a
// clear margin (Emerald Rapids: half as many). Measured once, 2 ms. False where there are none.
bool dots_pay();

}  // namespace subquad
