// Reads what every far field takes, attention's and kernel sums': the same names, units and ranges.
// Positional arguments come in the order in which a part asks for them.
#pragma once

#include <cstdint>

#include "index/key_clusters.h"
#include "parts/spec.h"

namespace subquad {

class FarReader : public SpecReader {
 public:
  using SpecReader::SpecReader;

  // `least` 0: then the length decides.
  std::int64_t clusters(std::int64_t fallback, std::int64_t most, std::int64_t least = 1) {
    return integer("clusters", fallback, least, most);
  }
  // Probe rows; 0: no fit.
  std::int64_t fit(std::int64_t fallback) { return integer("fit", fallback, 0, 1 << 16); }
  // Rows that share their opened clusters: at most a block of rows.
  std::int64_t group(std::int64_t fallback, std::int64_t least = 8) {
    return integer("group", fallback, least, 264);
  }
  // What a cluster may miss, relative to the output's root mean square; 0: nothing is opened.
  double open() { return number("open", 0, 0, 1e6); }
  // Relative, in the Frobenius norm; 0: none is asked for.
  double error(double fallback = 0, double least = 0, double most = 10) {
    return number("error", fallback, least, most);
  }
  // Relative to the mean squared feature; 0: chosen by the leave-one-out error.
  double ridge() { return number("ridge", 0, 0, 1e3); }
  Clustering clustering() {
    return static_cast<Clustering>(choice("cluster", 0, {"tree", "kmeans", "lsh"}));
  }
};

}  // namespace subquad
