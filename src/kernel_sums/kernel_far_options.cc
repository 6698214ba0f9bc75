#include "kernel_sums/kernel_far_options.h"

#include <array>

#include "far/far_reader.h"
#include "subquad/error.h"

namespace subquad {

KernelFarOptions read_kernel_far_options(const SpecPart& spec) {
  FarReader reader(spec);
  KernelFarOptions options{};
  options.clusters = reader.clusters(256, 4096);
  options.order = std::array{FarOrder::best, FarOrder::zero,
                             FarOrder::two}[reader.choice("order", 0, {"best", "0", "2"})];
  options.fit = reader.fit(1024);
  options.open = reader.open();
  options.error = reader.error();
  options.group = reader.group(256);
  options.clustering = reader.clustering();
  options.ridge = reader.ridge();
  options.margin = reader.number("margin", 0.5, 0, 1);
  reader.finish();
  if (options.error > 0 && options.open > 0)
    throw_invalid("far: open and error exclude each other: error chooses open");
  if (options.fit == 0 && (options.error > 0 || options.open > 0))
    throw_invalid("far: open and error need probe rows, fit is 0");
  return options;
}

}  // namespace subquad
