// Loops that measure the machine: arithmetic and memory.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Runs `repeats` rounds of multiply-adds that never leave the registers; returns the flops done
// (2 per multiply-add). `sink` keeps the result alive.
double fma_rounds(std::int64_t repeats, float* sink);

// Sums `count` floats (a multiple of 64) at full vector width.
float read_sum(const float* data, std::int64_t count);

}  // namespace subquad::kernels
