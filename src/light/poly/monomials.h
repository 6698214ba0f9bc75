// The monomials of degree <= g in the D channels of a row, r = C(D + g, g) of them, so that a
// polynomial of a dot product is a dot product of features:
//   P(<q, k>) = sum_m c_m <q, k>^m = sum_f weight_f (c_deg(f) q^f) k^f,  weight_f = m! / prod e_i!.
//
// source: "Support Basis" (paper 003), Lemma A.2, which counts C(2 (g + D), 2 g); these are all.
// Order: by degree, then lexicographic. Those of degree m that begin with channel i are x_i times
// the last ones of degree m - 1, so each is one multiplication from the chain of lower degrees.
// cost: r multiplications and r + (those below degree g) floats a row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/monomials.h"

namespace subquad {

// C(dim + degree, degree) as a double: exact below 2^53.
double count_monomials(std::int64_t dim, std::int64_t degree);

// Features that are made and multiplied together: their sums stay in the second-level cache.
struct MonomialPanel {
  std::int64_t begin, count;
  std::vector<kernels::MonomialSegment> segments;  // `to` from the panel's first feature
};

class MonomialLayout {
 public:
  // degree >= 1. width: of the values that features meet: narrow ones have larger panels.
  MonomialLayout(std::int64_t dim, std::int64_t degree, std::int64_t width = 64);

  std::int64_t dim() const { return dim_; }
  std::int64_t degree() const { return degree_; }
  std::int64_t count() const { return std::ssize(weights_); }
  const std::vector<MonomialPanel>& panels() const { return panels_; }
  // The largest panel's row, its slack included.
  std::int64_t panel_stride() const;
  // A row of the chain, its slack included.
  std::int64_t chain_stride() const;
  float weight(std::int64_t feature) const { return weights_[static_cast<std::size_t>(feature)]; }

  // Chains of rows of channels: monomials below the degree, 1 first.
  void fill_chain(const float* channels, std::int64_t stride, std::int64_t rows,
                  float* chain) const;
  // From derivatives by the chain, those by the channels: added. Changes grad_chain.
  void reduce_chain(const kernels::MonomialRows& rows, float* grad_chain, float* grad_channels,
                    std::int64_t grad_stride) const;

 private:
  std::int64_t first_of(std::int64_t degree) const;  // feature
  std::vector<kernels::MonomialSegment> segments_of(std::int64_t degree) const;
  void set_weights();
  void cut_panels();

  std::int64_t dim_, degree_, panel_;
  std::vector<kernels::MonomialSegment> chain_segments_;  // of degrees 2 to degree - 1
  std::vector<MonomialPanel> panels_;
  std::vector<float> weights_;
};

}  // namespace subquad
