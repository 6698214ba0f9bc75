#include "core/isa.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/targets.h"

#include <hwy/highway.h>

#include "core/amx.h"
#include "core/avx512_bf16.h"
#include "subquad/error.h"
#include "subquad/info.h"

namespace subquad {
namespace {

struct Isa {
  const char* name;
  std::int64_t target;
};

// No targets of Highway's: their code is kernels/tiles, beside the vectors of avx3.
constexpr std::int64_t kAmx = 1, kDots = 2;  // bits that Highway keeps free
static_assert((HWY_TARGETS & (kAmx | kDots)) == 0);

// Best first. NEON stands for ARM machines, where it is all there is besides scalar code.
constexpr Isa kSets[] = {{"amx", kAmx},         {"avx3_bf16", kDots}, {"avx3", HWY_AVX3},
                         {"avx2", HWY_AVX2},    {"sse4", HWY_SSE4},   {"neon", HWY_NEON},
                         {"scalar", HWY_SCALAR}};

std::vector<std::string> names_in(std::int64_t targets) {
  std::vector<std::string> names;
  for (const Isa& isa : kSets)
    if ((targets & isa.target) != 0) names.emplace_back(isa.name);
  return names;
}

// What the machine can do, before anything was lowered.
std::int64_t machine_targets() {
  static const std::int64_t targets = (hwy::SupportedTargets() & HWY_TARGETS) |
                                      (machine_has_amx() ? kAmx : 0) |
                                      (machine_has_dots() ? kDots : 0);
  return targets;
}

// Dot products of bf16 are not taken unasked where f32 is as fast.
std::string best_isa() {
  for (const std::string& name : names_in(machine_targets()))
    if (name != kSets[1].name || dots_pay()) return name;
  return kSets[std::size(kSets) - 1].name;
}

std::string& selected() {
  static std::string name = best_isa();
  return name;
}

// Every set from `name` down.
std::int64_t targets_up_to(const std::string& name) {
  std::int64_t targets = 0;
  bool reached = name.empty();
  for (const Isa& isa : kSets) {
    reached |= name == isa.name;
    if (reached) targets |= isa.target & machine_targets();
  }
  return targets;
}

void lower_to(const std::string& name, const char* source) {
  const std::vector<std::string> supported = names_in(machine_targets());
  if (!name.empty() && std::find(supported.begin(), supported.end(), name) == supported.end())
    throw_invalid(fmt::format("{}: '{}' is not one of this machine's instruction sets ({})", source,
                              name, fmt::join(supported, ", ")));
  const std::int64_t targets = targets_up_to(name);
  hwy::SetSupportedTargetsForTest(targets & HWY_TARGETS);
  hwy::GetChosenTarget().Update(targets & HWY_TARGETS);
  selected() = name.empty() ? best_isa() : name;
}

std::string environment_isa() {
  const char* value = std::getenv("SUBQUAD_ISA");
  return value != nullptr ? value : "";
}

}  // namespace

void ensure_isa() {
  static std::once_flag once;
  std::call_once(once, [] { lower_to(environment_isa(), "SUBQUAD_ISA"); });
}

void select_isa(const std::string& name) {
  ensure_isa();
  lower_to(name.empty() ? environment_isa() : name, "isa");
}

std::vector<std::string> compiled_isas() {
  return names_in(HWY_TARGETS | (compiled_with_amx() ? kAmx : 0) |
                  (compiled_with_dots() ? kDots : 0));
}
std::vector<std::string> supported_isas() { return names_in(machine_targets()); }
std::string selected_isa() { return selected(); }
bool amx_selected() { return selected() == kSets[0].name; }
bool dots_selected() { return selected() == kSets[1].name; }

}  // namespace subquad
