#include "methods/delta.h"

namespace subquad {

std::int64_t read_delta_step(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t step = reader.integer("step", 64, 1, std::int64_t{1} << 30);
  reader.finish();
  return step;
}

}  // namespace subquad
