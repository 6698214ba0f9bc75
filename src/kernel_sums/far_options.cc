#include "kernel_sums/far_options.h"

#include <array>

#include "subquad/error.h"

namespace subquad {

FarOptions read_far_options(const SpecPart& spec) {
  SpecReader reader(spec);
  FarOptions options{};
  options.clusters = reader.integer("clusters", 256, 1, 4096);
  options.order = std::array{FarOrder::best, FarOrder::zero,
                             FarOrder::two}[reader.choice("order", 0, {"best", "0", "2"})];
  options.fit = reader.integer("fit", 1024, 0, 65536);
  options.open = reader.number("open", 0, 0, 1e6);
  options.error = reader.number("error", 0, 0, 10);
  options.group = reader.integer("group", 256, 8, 264);
  options.clustering =
      std::array{Clustering::tree, Clustering::kmeans,
                 Clustering::lsh}[reader.choice("cluster", 0, {"tree", "kmeans", "lsh"})];
  options.ridge = reader.number("ridge", 0, 0, 1e3);
  options.margin = reader.number("margin", 0.5, 0, 1);
  reader.finish();
  if (options.error > 0 && options.open > 0)
    throw_invalid("far: open and error exclude each other: error chooses open");
  if (options.fit == 0 && (options.error > 0 || options.open > 0))
    throw_invalid("far: open and error need probe rows, fit is 0");
  return options;
}

}  // namespace subquad
