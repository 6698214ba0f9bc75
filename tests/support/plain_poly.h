// Polynomial attention straight from its definition, in double precision.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "light/poly/poly_options.h"
#include "rows/head_problem.h"
#include "support/multipole_model.h"
#include "support/plain_multipole.h"

namespace subquad::testing {

struct PlainPolySetup {
  std::string spec;          // what the library runs
  PolyOptions options = {};  // what its polynomial part is asked for
  double threshold = 0;      // of support_basis and threshold; 0: none
};

// What is held fixed while a head's inputs move: heavy entries, and each row's interval.
class PlainPoly {
 public:
  PlainPoly(const HeadProblem& head, const PlainPolySetup& setup);

  PlainRow row(const PlainTensors& tensors, std::int64_t i) const;
  std::int64_t heavy_count() const;
  std::int64_t exact_rows(const PlainTensors& tensors) const;

 private:
  bool is_heavy(std::int64_t i, std::int64_t k) const {
    return heavy_[at(i * head_.num_keys + k)] != 0;
  }
  bool falls_back(std::int64_t i, double sum) const;
  std::vector<double> sums(const PlainTensors& tensors, std::int64_t i, bool exactly) const;

  const HeadProblem& head_;
  PlainPolySetup setup_;
  const ExpPolynomial& polynomial(std::int64_t i, std::int64_t bucket) const {
    return polynomials_[at(i * setup_.options.buckets + bucket)];
  }
  void set_buckets(const PlainTensors& tensors);
  void set_polynomials(const PlainTensors& tensors, std::int64_t i);

  std::vector<std::uint8_t> heavy_, flagged_keys_;
  std::vector<std::int64_t> buckets_;       // by key
  std::vector<ExpPolynomial> polynomials_;  // by row and bucket; degree -1 where there is none
};

}  // namespace subquad::testing
