// The checked parameters of boxes(..), see box_sums.h.
#pragma once

#include "parts/spec.h"

namespace subquad {

struct BoxOptions {
  double error = 1e-4;
  double floor = 1e-12;
};

inline BoxOptions read_box_options(const SpecPart& part) {
  SpecReader reader(part);
  BoxOptions options;
  options.error = reader.number("error", options.error, 1e-6, 0.5);
  options.floor = reader.number("floor", options.floor, 0, 1);
  reader.finish();
  return options;
}

}  // namespace subquad
