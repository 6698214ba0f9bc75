#include "tokenizer/merger.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace subquad::tokenizer {
namespace {

// A place whose symbol went into the one before it.
constexpr int gone = std::numeric_limits<int>::min();

}  // namespace

bool Merger::Scratch::later(const Candidate& a, const Candidate& b) {
  return std::tie(a.rank, a.left_place) > std::tie(b.rank, b.left_place);
}

std::uint64_t Merger::key_of(int left, int right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

Merger::Merger(const std::vector<MergeRule>& rules) {
  results_.reserve(rules.size());
  for (const MergeRule& rule : rules)
    results_.emplace(key_of(rule.left, rule.right), Result{rule.rank, rule.merged});
}

void Merger::propose(const std::vector<int>& symbols, int left_place, Scratch& scratch) const {
  const int right_place = scratch.next_[static_cast<std::size_t>(left_place)];
  if (right_place == static_cast<int>(symbols.size())) return;
  const int left = symbols[static_cast<std::size_t>(left_place)];
  const int right = symbols[static_cast<std::size_t>(right_place)];
  const auto found = results_.find(key_of(left, right));
  if (found == results_.end()) return;
  scratch.heap_.push_back({found->second.rank, left_place, left, right, found->second.merged});
  std::push_heap(scratch.heap_.begin(), scratch.heap_.end(), Scratch::later);
}

// Symbols stay at the place of their first unit, in a list linked both ways. A candidate whose two
// symbols are no longer there is passed over.
void Merger::merge(std::vector<int>& symbols, Scratch& scratch) const {
  const int count = static_cast<int>(symbols.size());
  const auto at = [](int place) { return static_cast<std::size_t>(place); };
  std::vector<int>& previous = scratch.previous_;
  std::vector<int>& next = scratch.next_;
  previous.resize(symbols.size());
  next.resize(symbols.size());
  for (int i = 0; i < count; ++i) {
    previous[at(i)] = i - 1;
    next[at(i)] = i + 1;
  }
  for (int i = 0; i < count; ++i) propose(symbols, i, scratch);
  while (!scratch.heap_.empty()) {
    const Scratch::Candidate best = scratch.heap_.front();
    std::pop_heap(scratch.heap_.begin(), scratch.heap_.end(), Scratch::later);
    scratch.heap_.pop_back();
    const int left = best.left_place, right = next[at(left)];
    if (symbols[at(left)] != best.left || right == count || symbols[at(right)] != best.right)
      continue;
    symbols[at(left)] = best.merged;
    symbols[at(right)] = gone;
    next[at(left)] = next[at(right)];
    if (next[at(left)] < count) previous[at(next[at(left)])] = left;
    if (previous[at(left)] >= 0) propose(symbols, previous[at(left)], scratch);
    propose(symbols, left, scratch);
  }
  symbols.erase(std::remove(symbols.begin(), symbols.end(), gone), symbols.end());
}

}  // namespace subquad::tokenizer
