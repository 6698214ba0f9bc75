// From a spec string to the rules it names.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exact/precision.h"
#include "parts/heavy.h"
#include "parts/light.h"
#include "parts/strict.h"
#include "methods/recipe.h"
#include "subquad/given.h"

namespace subquad {

// What a spec names. Exact: no rules at all. Otherwise heavy parts in the order given, and at most
// one light part (none: the rest is dropped). With a recipe, the recipe's choice instead. Copies
// share their rules.
struct Method {
  bool exact = false;
  ExactPrecision precision = {};  // of exact
  std::vector<std::shared_ptr<const HeavyRule>> heavy;
  std::shared_ptr<const LightRule> light;
  std::shared_ptr<const Recipe> recipe;
  std::int64_t delta_step = 0;  // of methods/delta.h; 0: outputs stay as they are
  std::string names;            // "sink+topk:lsh+uniform", for Report::path

  // Adds a part under its name in Report::path.
  Method& add(std::string_view name, std::shared_ptr<const HeavyRule> rule);
  Method& add(std::string_view name, std::shared_ptr<const LightRule> rule);
  void add_name(std::string_view name);
  // Of its worst rule; those that say `published` in their names count as their strict forms.
  Strict strictness() const;
};

Method exact_method();

// Throws Error (invalid_argument): unknown part, bad argument, two light parts, exact with others.
// `given`: what given(i) stands for; it has passed validate_given and outlives the method.
Method parse_method(std::string_view spec, std::span<const GivenMask> given = {});

}  // namespace subquad
