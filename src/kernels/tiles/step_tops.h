// Largest scores of a panel's step.
#pragma once

namespace subquad::kernels {

// tops[r] = the largest sign * score of row r of (kPanelRows, kStepKeys), of those that are finite;
// -inf where none is.
void step_tops(const float* scores, float sign, float* tops);

}  // namespace subquad::kernels
