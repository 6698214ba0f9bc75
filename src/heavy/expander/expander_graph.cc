#include "heavy/expander/expander_graph.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace subquad {
namespace {

// Draw number `attempt` of a random order of the vertices.
std::vector<std::int64_t> random_order(std::int64_t vertices, const ExpanderDraws& draws,
                                       std::int64_t attempt) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(vertices));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t v = vertices - 1; v > 0; --v) {
    const std::int64_t other = draws.below(v + 1, ExpanderDraws::graph, 0, attempt * vertices + v);
    std::swap(order[static_cast<std::size_t>(v)], order[static_cast<std::size_t>(other)]);
  }
  return order;
}

// Whether neighbours along `cycle` are neighbours on the cycle 0, 1, .., n - 1 too, anywhere.
bool shares_an_edge(const std::vector<std::int64_t>& cycle) {
  const auto n = static_cast<std::int64_t>(cycle.size());
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const std::int64_t gap = (cycle[(i + 1) % cycle.size()] - cycle[i] + n) % n;
    if (gap == 1 || gap == n - 1) return true;
  }
  return false;
}

}  // namespace

RegularGraph::RegularGraph(std::int64_t vertices, const ExpanderDraws& draws)
    : neighbors_(static_cast<std::size_t>(vertices)), reverse_(neighbors_.size()) {
  // The vertices are alike: the first cycle may be 0, 1, .., n - 1. About 1 in 9 attempts is
  // simple.
  std::vector<std::int64_t> cycle;
  std::int64_t attempt = 0;
  do {
    cycle = random_order(vertices, draws, attempt++);
  } while (shares_an_edge(cycle));
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const std::size_t next = (i + 1) % cycle.size();
    const auto v = static_cast<std::int64_t>(i);
    neighbors_[i][0] = static_cast<std::int64_t>(next);
    neighbors_[next][1] = v;
    neighbors_[static_cast<std::size_t>(cycle[i])][2] = cycle[next];
    neighbors_[static_cast<std::size_t>(cycle[next])][3] = cycle[i];
  }
  for (Ends& ends : reverse_) ends = {1, 0, 3, 2};
}

}  // namespace subquad
