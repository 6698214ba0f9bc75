// A recipe that has one method for all heads.
#pragma once

#include <utility>

#include "methods/method.h"

namespace subquad {

class OneMethod final : public Recipe {
 public:
  explicit OneMethod(Method method) : method_(std::move(method)) {}
  const Method& choose(const HeadProblem&) const override { return method_; }

 private:
  Method method_;
};

}  // namespace subquad
