// A recipe names one of several methods for each head: by its masks and its lengths.
#pragma once

#include "core/head_problem.h"

namespace subquad {

struct Method;

class Recipe {
 public:
  virtual ~Recipe() = default;
  // The method for this head; it lives as long as the recipe.
  virtual const Method& choose(const HeadProblem& head) const = 0;
};

}  // namespace subquad
