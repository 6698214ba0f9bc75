// A leaf of queries and its sums: one thread's.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "kernel_sums/boxes/box_keys.h"

namespace subquad {

class BoxQueries {
 public:
  // Trees with leaves of at most kernels::kGaussQueries queries.
  BoxQueries(const BoxTree& queries, const BoxKeys& keys);

  // Takes the leaf; its sums are zero.
  void load(std::int64_t leaf);
  // Adds the keys of a leaf one by one: f32, from the leaf's center.
  void meet_keys(std::int64_t node);
  // Adds the keys of a node by their moments below `degree`.
  void add_series(std::int64_t node, std::int64_t degree);
  // Row i of `out` is that of query i of the tree's source.
  void store(float* out) const;

 private:
  void look_from(const double* center);

  const BoxTree& queries_;
  const BoxKeys& keys_;
  BoxNode leaf_;
  Scratch<double> places_, offsets_;  // by coordinate; the last query fills the places behind it
  Scratch<float> near_, part_;
  Scratch<double> sums_;  // by channel
};

}  // namespace subquad
