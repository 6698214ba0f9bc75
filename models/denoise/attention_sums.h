// Kernel sums of a picture's patches by attention: any spec of attend().
//
// source: Lemma 4.1 of paper KMV read backwards: exp(-|q - k|^2 / (2 h^2)) is softmax attention's
// weight exp(q . k / h^2 - |k|^2 / (2 h^2)) times exp(-|q|^2 / (2 h^2)). A channel more holds the
// keys' part; the queries' part is in lse.
// use when: each row's own relative error matters (attention's methods are fitted to outputs that
// are divided, kernel sums' to the Frobenius norm of the sums).
// assumption: finite patches. cost: that of the spec with D + 1 channels; n (2 D + 6) floats.
#pragma once

#include <string>
#include <vector>

#include "denoise/patches.h"
#include "subquad/attention.h"

namespace subquad::denoise {

// `colours`: n x 3. Returns n x 4: sums of weighted colours, and of weights.
std::vector<float> attention_sums(const PatchPoints& points, const std::vector<float>& colours,
                                  double bandwidth, const std::string& spec, const Options& options,
                                  Report& report);

}  // namespace subquad::denoise
