// Elementwise work of a multipole expansion's orders 1 and 2, between two matrix products.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// One query and `span` clusters, a multiple of blocking().lanes. Products with direction a of
// cluster j lie at products[a * span + j].
struct QuadraticTerms {
  const float* products;
  std::int64_t span;
  std::int64_t rank;
  const float* even;    // of each cluster
  const float* radius;  // of each cluster
  float length2;        // |query|^2
  float length;
};

// out[j] = min(sum_a products[a, j]^2 + even[j] * length2, radius[j] * length), j < span.
void set_quadratic_terms(const QuadraticTerms& terms, float* out);

// products[a * span + j] *= weights[j] for a < rank, j < span; span: a multiple of
// blocking().lanes.
void weigh_products(const float* weights, std::int64_t span, std::int64_t rank, float* products);

}  // namespace subquad::kernels
