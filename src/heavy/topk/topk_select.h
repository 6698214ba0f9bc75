// The k largest scores of each row, exactly, without a matrix of scores.
//
// A sample of the keys gives each row two scores that enclose its k-th largest with a probability
// above 0.99 (Floyd and Rivest, Algorithm 489). One pass over tiles of keys counts the scores above
// both and keeps those between; among these the k-th is found by bisection. Rows whose k-th score
// lies outside after all are searched again with all their scores at hand. What is found does not
// depend on the sample.
//
// cost: 2 n D flops a row, plus about n / 16 for the sample; a tenth of that for the rest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "rows/key_tile.h"
#include "heavy/topk/kept_keys.h"

namespace subquad {

// All keys of the head in tiles of key_tile_size() keys.
std::vector<KeyTile> pack_keys(const HeadProblem& head, int threads);

// Rows keep their k largest scores among the keys that they may see; of equal scores those of the
// first keys; all keys if they see fewer. NaN counts as +inf, the largest. `tiles`: pack_keys(), or
// empty for heads of at most kMaxStreamedRows rows. 1 <= k <= num_keys. Bits do not depend on
// `threads`.
KeptBits select_bits(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles,
                     int threads);
KeptLists select_lists(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles,
                       int threads);

}  // namespace subquad
