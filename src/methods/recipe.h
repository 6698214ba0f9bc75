// A recipe names one of several methods for each head: by its masks and its lengths.
#pragma once

#include <limits>

#include "rows/head_problem.h"

namespace subquad {

struct Method;

class Recipe {
 public:
  virtual ~Recipe() = default;
  // The method for this head; it lives as long as the recipe.
  virtual const Method& choose(const HeadProblem& head) const = 0;
  // Rows of the call to recompute exactly for Report::certificate. Where their relative Frobenius
  // error is above error_limit(), the call runs exactly after all, or the path says so.
  virtual std::int64_t certified_rows() const { return 0; }
  virtual double error_limit() const { return std::numeric_limits<double>::infinity(); }
  virtual bool runs_again(const Problem&) const { return true; }
};

}  // namespace subquad
