// Byte-pair encoding: neighbouring symbols become one, best rank first.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

class Merger {
 public:
  // Of rules with the same pair the first holds.
  explicit Merger(const std::vector<MergeRule>& rules);

  // Room for a word; one thread at a time.
  class Scratch {
    friend class Merger;
    struct Candidate {
      int rank, left_place, left, right, merged;
    };
    static bool later(const Candidate& a, const Candidate& b);
    std::vector<Candidate> heap_;
    std::vector<int> previous_, next_;
  };

  // Merges until no rule fits. n symbols take O(n log n).
  void merge(std::vector<int>& symbols, Scratch& scratch) const;

 private:
  struct Result {
    int rank, merged;
  };
  static std::uint64_t key_of(int left, int right);
  void propose(const std::vector<int>& symbols, int left_place, Scratch& scratch) const;

  std::unordered_map<std::uint64_t, Result> results_;
};

}  // namespace subquad::tokenizer
