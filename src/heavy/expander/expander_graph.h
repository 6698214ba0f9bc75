// The expander of ExpanderSketch: which chunks name each other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "heavy/expander/expander_draws.h"

namespace subquad {

// A random 4-regular simple graph: two Hamiltonian cycles without a common edge. Random regular
// graphs of degree >= 3 expand with probability 1 - o(1) (Friedman 2008); connected by
// construction.
class RegularGraph {
 public:
  static constexpr std::int64_t kDegree = 4, kFewestVertices = 6;
  RegularGraph(std::int64_t vertices, const ExpanderDraws& draws);

  std::int64_t size() const { return static_cast<std::int64_t>(neighbors_.size()); }
  std::int64_t neighbor(std::int64_t vertex, std::int64_t edge) const {
    return neighbors_[static_cast<std::size_t>(vertex)][static_cast<std::size_t>(edge)];
  }
  // The number of the edge at its other end.
  std::int64_t reverse(std::int64_t vertex, std::int64_t edge) const {
    return reverse_[static_cast<std::size_t>(vertex)][static_cast<std::size_t>(edge)];
  }

 private:
  using Ends = std::array<std::int64_t, kDegree>;
  std::vector<Ends> neighbors_, reverse_;
};

}  // namespace subquad
