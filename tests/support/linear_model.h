// Linear attention straight from its definition, in double precision: every weight by itself. Which
// entries are heavy comes from the method's plan, all else from here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rows/head_problem.h"
#include "run/head_plan.h"
#include "methods/method.h"
#include "subquad/linear_attention.h"
#include "support/reference_attention.h"

namespace subquad::testing {

class LinearModelCase {
 public:
  // `heavy`: the heavy parts of the spec, may be empty.
  LinearModelCase(const Problem& problem, FeatureMap map, const std::string& heavy);

  struct Inputs {
    DenseTensor query, key, value;
  };
  Inputs inputs() const {
    return {read_tensor(problem_.query), read_tensor(problem_.key), read_tensor(problem_.value)};
  }

  struct Outputs {
    DenseTensor out, lse;
    DenseTensor sum;        // signed, sinks included
    DenseTensor condition;  // sum of |terms| of the weights over |sum|: what rounding grows by
    std::int64_t negative_rows = 0, fallback_rows = 0;
    double largest_condition = 0;
  };
  Outputs forward(const Inputs& in) const;

  // Of sum(out * grad_out) + sum(log |sum| * grad_lse). sizes: sums of the terms' sizes, times the
  // condition of their rows.
  struct Gradients {
    Inputs values, sizes;
  };
  Gradients backward(const Inputs& in, const Outputs& outputs, const DenseTensor& grad_out,
                     const DenseTensor& grad_lse) const;

 private:
  struct Entry {
    std::int64_t key;  // along the key tensor
    bool heavy;
  };
  struct Row {
    std::int64_t b, h, kv_head, i;
    double sink;  // weight, 0 without
    std::vector<Entry> entries;
  };

  void add_head(const HeadProblem& head, const Method& method);

  // Not 0 where the row's entry is in a heavy set.
  static std::vector<float> heavy_marks(const HeadPlan& plan, std::int64_t row, std::int64_t keys);

  double phi(double x) const;
  double slope(double x) const;
  double factor(std::int64_t dim) const {
    return map_ == FeatureMap::none ? scale_ : 1.0 / static_cast<double>(dim);
  }

  // The weight, and the sum of its terms' sizes.
  struct Weight {
    double value, size;
  };
  Weight weigh(const Inputs& in, const Row& row, const Entry& entry, bool softmax) const;

  // Rows after heavy parts are softmax rows where their sum is not positive, or below 1e-4 of what
  // the heavy entries' linear weights come to.
  bool falls_back(const Inputs& in, const Row& row) const;

  void forward_row(const Inputs& in, const Row& row, Outputs& result) const;

  static void add(DenseTensor Inputs::*tensor, Gradients& gradients, const double* at, double term,
                  double size);

  void backward_row(const Inputs& in, const Outputs& outputs, const DenseTensor& grad_out,
                    const DenseTensor& grad_lse, const Row& row, Gradients& gradients) const;

  const Problem& problem_;
  FeatureMap map_;
  bool alone_;
  double scale_ = 1;
  std::vector<Row> rows_;
};

}  // namespace subquad::testing
