// Merge rules from what files have: pairs of texts, or scores.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

// `texts`: the pieces as the file writes them, by id; `pairs`: what is merged, in the same writing,
// best first. Error (invalid_argument) that begins with `where` for a pair whose parts or result
// are no pieces.
std::vector<MergeRule> rules_of_pairs(const std::vector<std::string>& texts,
                                      const std::vector<std::pair<std::string, std::string>>& pairs,
                                      const std::string& where);

// SentencePiece and llama2.c: any two neighbours that together are a normal piece, the highest
// score first.
std::vector<MergeRule> rules_of_scores(const std::vector<Piece>& pieces,
                                       const std::vector<double>& scores);

}  // namespace subquad::tokenizer
