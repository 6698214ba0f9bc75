#include "run/share_error.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace subquad {
namespace {

// The share of the target that the expected error must stay below.
constexpr double kMargin = 0.9;

}  // namespace

void share_error(std::span<SharedError* const> heads, double error) {
  double out = 0;
  for (const SharedError* head : heads) out += head->expected().out;
  const double allowed = kMargin * kMargin * error * error * out;
  while (!heads.empty()) {
    std::vector<double> squares;
    for (const SharedError* head : heads) squares.push_back(head->expected().error);
    const double share = largest_share(squares, allowed);
    const auto worst = std::max_element(squares.begin(), squares.end());
    if (*worst <= share) break;
    heads[static_cast<std::size_t>(worst - squares.begin())]->lower_error(share);
  }
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
