#include "kernel_sums/kernel_methods.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernel_sums/boxes/box_sums.h"
#include "kernel_sums/exact_sums.h"
#include "kernel_sums/far_sums.h"
#include "kernel_sums/kernel_far_options.h"
#include "kernel_sums/kmv/kmv_sums.h"
#include "subquad/error.h"

namespace subquad {
namespace {

KernelRunner read_exact(const SpecPart& part) {
  SpecReader(part).finish();
  return [](const KernelHead& head, float* out, const Rng& rng, int threads) {
    const std::int64_t entries = exact_sums(head, out, rng, threads);
    return KernelRecord{"exact", entries, entries, 0, 0};
  };
}

// Of a method with options of its own: how they are read, and what sums by them.
template <auto read_options, auto sums>
KernelRunner read_as(const SpecPart& part) {
  return [options = read_options(part)](const KernelHead& head, float* out, const Rng& rng,
                                        int threads) {
    return sums(head, options, out, rng, threads);
  };
}

constexpr std::array kMethods{
    KernelMethod{"exact", "every kernel", read_exact},
    KernelMethod{"far", "clusters of keys, fitted to sampled queries; states its estimated error",
                 read_as<read_kernel_far_options, far_sums>},
    KernelMethod{"boxes", "boxes of points: far ones skipped, full ones by series; keeps its error",
                 read_as<read_box_options, box_sums>},
    KernelMethod{"kmv",
                 "near keys by hash tables and draws of the others; |Kx - y|_2 <= eps |x|_2, "
                 "relative to x, not to Kx, for x of any signs",
                 read_as<read_kmv_options, kmv_sums>},
};

}  // namespace

std::span<const KernelMethod> kernel_methods() { return kMethods; }

std::string kernel_method_names() {
  std::vector<std::string_view> names;
  for (const KernelMethod& method : kMethods) names.push_back(method.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

ChosenKernelMethod read_kernel_method(std::string_view spec) {
  const std::vector<SpecPart> parts = parse_spec(spec);
  if (parts.size() != 1)
    throw_invalid(
        fmt::format("spec '{}': kernel sums take one part of {}", spec, kernel_method_names()));
  const auto row = std::find_if(kMethods.begin(), kMethods.end(), [&](const KernelMethod& method) {
    return method.name == parts.front().name;
  });
  if (row == kMethods.end())
    throw_invalid(fmt::format("spec '{}': unknown part '{}'; known: {}", spec, parts.front().name,
                              kernel_method_names()));
  return {row->name, row->read(parts.front())};
}

}  // namespace subquad
