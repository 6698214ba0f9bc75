// What a model says of the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llama/weight_matrix.h"
#include "ops/rows.h"

namespace subquad::llama {

// log p(targets[r] | state r), natural log, for every row of `states` (the final states of
// Model::append). classifier: (vocabulary, width). A block of rows at a time: never more than 256 x
// vocabulary logits exist.
std::vector<double> log_probabilities(const WeightMatrix& classifier, const ops::Rows& states,
                                      std::span<const std::int32_t> targets, int threads);

// Scores of every token after one state, (vocabulary).
std::vector<float> logits(const WeightMatrix& classifier, const float* state, int threads);

}  // namespace subquad::llama
