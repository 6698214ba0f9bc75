// Squared column norms of the softmax matrix, in two tiled passes over the keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diagnose/score_tiles.h"

namespace subquad {

// sum_i P_ij^2 over the listed rows i of every head, P the softmax weights with masks and sinks:
// for each head of the list, entry g * num_keys + j is key j under query head g of the group.
// Scores in f32, sums in double; a column is summed by one thread in the order of the rows: the
// same bits for any thread count. The heads must belong to one problem without values
// (without_values()).
// cost: 4 rows n D flops a head; 16 bytes a row and 8 a key and query head.
std::vector<std::vector<double>> column_squares(std::span<const HeadRows> heads, int threads);

}  // namespace subquad
