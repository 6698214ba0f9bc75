// Which clusters a threshold opens for a group of rows, and what the thresholds of a list would
// open altogether.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/key_clusters.h"

namespace subquad {

// Clusters that miss more than `limit`, ascending. missed: what each of them does.
std::vector<std::int32_t> clusters_above(std::span<const double> missed, double limit);

// `count` thresholds that fall by the factor `step`.
std::vector<double> falling_thresholds(double first, double step, int count);

// What a threshold opens.
struct OpeningLevel {
  double threshold = 0;  // relative to the root mean square of |out|
  double left = 0;       // share of the clusters' missed squares that stays closed, 0 to 1
  double keys = 0;       // opened a row, on average
};

class OpeningLevels {
 public:
  // thresholds: descending. rows: of all groups together. `clusters` must outlive this.
  OpeningLevels(std::span<const double> thresholds, const Partition& clusters, std::int64_t rows);
  // A group of so many rows: mean squares of what each cluster misses for them, relative to the
  // mean square of |out|. Empty: unknown, the group opens nothing.
  void add(std::int64_t rows, std::span<const double> missed);
  std::vector<OpeningLevel> finish();

 private:
  const Partition& clusters_;
  double rows_, total_ = 0;
  std::vector<OpeningLevel> levels_;
};

}  // namespace subquad
