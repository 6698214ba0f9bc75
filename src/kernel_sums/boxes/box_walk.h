// What a box of queries meets: the boxes of keys that are summed by a series, and those key by
// key; all others together are below the error asked for.
//
// source: dual-tree kernel sums (Gray and Moore 2000), a box of queries at a time; the bound of the
// skipped mass is ours: a box of keys is skipped where its largest kernel with these queries is at
// most error (L + floor), L the least over channels of a lower bound of sum_k w_k |x_k| relative to
// sum_k |x_k|. All skipped boxes together then miss at most error (sum_k w_k |x_k| + floor sum_k
// |x_k|) of any channel. For a box that is not quite so far the same sum pays for a series of a
// lower degree: a relative error of error (L + floor) over its largest kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel_sums/boxes/box_keys.h"
#include "kernel_sums/boxes/box_options.h"

namespace subquad {

struct BoxVisit {
  std::int64_t node;
  std::int64_t degree;  // of the series; 0: key by key
};

class BoxWalk {
 public:
  // What is given must outlive the walk.
  BoxWalk(const BoxKeys& keys, const SeriesError& series, const BoxOptions& options)
      : keys_(keys), series_(series), options_(options) {}

  // Finds the visits of these queries.
  void walk(const QueryBox& queries);

  const std::vector<BoxVisit>& visits() const { return visits_; }
  double missed() const { return missed_; }            // bound of what was skipped, as above
  double cost() const { return cost_; }                // about cycles (AVX-512)
  std::int64_t keys_met() const { return keys_met_; }  // one by one

  // Of exact sums of as many queries with all keys.
  static double exact_cost(std::int64_t dim, std::int64_t channels, std::int64_t queries,
                           std::int64_t keys);

 private:
  double squared_span(const QueryBox& queries, std::int64_t node) const;
  double nearest_span(const QueryBox& queries) const;
  // log of L + floor.
  double log_density(const QueryBox& queries);
  // Largest |u| of a query.
  double reach(const QueryBox& queries, std::int64_t node) const;
  // `kernel` and `most`: logarithms of its largest kernel and of the largest that is skipped.
  void meet(const QueryBox& queries, std::int64_t node, double kernel, double most);

  const BoxKeys& keys_;
  const SeriesError& series_;
  BoxOptions options_;
  std::vector<BoxVisit> visits_;
  std::vector<std::int64_t> stack_;
  std::vector<double> density_;
  double density_log_ = 0, missed_ = 0, cost_ = 0;
  std::int64_t keys_met_ = 0;
};

}  // namespace subquad
