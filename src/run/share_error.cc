#include "run/share_error.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace subquad {
namespace {

std::vector<ErrorSquares> expected(std::span<SharedError* const> heads, std::int64_t stage) {
  std::vector<ErrorSquares> squares;
  for (const SharedError* head : heads)
    squares.push_back(stage < head->stages() ? head->expected(stage) : ErrorSquares{});
  return squares;
}

// Of each head's squares and of its part of two standard deviations of all of them together.
std::vector<double> upper_squares(std::span<const ErrorSquares> heads) {
  double variance = 0;
  for (const ErrorSquares& head : heads) variance += head.variance;
  std::vector<double> squares;
  for (const ErrorSquares& head : heads)
    squares.push_back(head.error + (variance > 0 ? 2 * head.variance / std::sqrt(variance) : 0.0));
  return squares;
}

void share_stage(std::span<SharedError* const> heads, std::int64_t stage, double error) {
  double out = 0;
  for (const ErrorSquares& head : expected(heads, stage)) out += head.out;
  const double allowed = error * error * out;
  while (!heads.empty()) {
    const std::vector<double> squares = upper_squares(expected(heads, stage));
    const double share = largest_share(squares, allowed);
    const auto worst = std::max_element(squares.begin(), squares.end());
    if (*worst <= share) break;
    heads[static_cast<std::size_t>(worst - squares.begin())]->lower_error(stage, share);
  }
}

}  // namespace

void share_error(std::span<SharedError* const> heads, double error) {
  std::int64_t stages = 0;
  for (const SharedError* head : heads) stages = std::max(stages, head->stages());
  for (std::int64_t stage = 0; stage < stages; ++stage) share_stage(heads, stage, error);
  for (SharedError* head : heads) head->decide();
}

double largest_share(std::vector<double> squares, double allowed) {
  std::sort(squares.begin(), squares.end());
  double smaller = 0;
  for (std::size_t i = 0; i < squares.size(); ++i) {
    const auto others = static_cast<double>(squares.size() - i);
    if (smaller + squares[i] * others > allowed) return (allowed - smaller) / others;
    smaller += squares[i];
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace subquad
