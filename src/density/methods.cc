#include "density/methods.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "density/ckns.h"
#include "density/exact.h"
#include "density/far_density.h"
#include "density/hbe.h"
#include "density/sampled.h"
#include "subquad/error.h"

namespace subquad {
namespace {

using Made = std::unique_ptr<DensityEstimator>;

Made make_exact(const SpecPart& spec, const DensityStore& store, const DensityTarget&, int) {
  SpecReader(spec).finish();
  return std::make_unique<ExactDensity>(store);
}

// Of makers that do not ask for the target.
template <Made (*make)(const SpecPart&, const DensityStore&, int)>
Made plain(const SpecPart& spec, const DensityStore& store, const DensityTarget&, int threads) {
  return make(spec, store, threads);
}

constexpr std::array<DensityMethod, 6> kMethods{{
    {"exact", make_exact},
    {"sampled", plain<make_sampled>},
    {"deann", plain<make_deann>},
    {"hbe", make_hbe},
    {"ckns", make_ckns},
    {"far", plain<make_far_density>},
}};

const DensityMethod& method_of(std::string_view spec, const std::string& name) {
  const auto found = std::find_if(kMethods.begin(), kMethods.end(),
                                  [&](const DensityMethod& m) { return m.name == name; });
  if (found != kMethods.end()) return *found;
  std::vector<std::string> names{"auto"};
  for (const DensityMethod& method : kMethods) names.emplace_back(method.name);
  throw_invalid(fmt::format("method '{}': kernel densities have no '{}' (known: {})",
                            shown_spec(spec), name, fmt::join(names, ", ")));
}

}  // namespace

std::span<const DensityMethod> density_methods() { return kMethods; }

std::unique_ptr<DensityEstimator> make_density_method(std::string_view spec,
                                                      const DensityStore& store,
                                                      const DensityTarget& target, int threads) {
  const std::vector<SpecPart> parts = parse_spec(spec);
  if (parts.size() != 1)
    throw_invalid(fmt::format("method '{}': kernel densities take one part", shown_spec(spec)));
  return method_of(spec, parts.front().name).make(parts.front(), store, target, threads);
}

}  // namespace subquad
