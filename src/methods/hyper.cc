#include "methods/hyper.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "methods/method.h"

namespace subquad {
namespace {

// A scored entry of an approximation costs this much more than one of exact attention: hashing,
// sorting, gathering, merging. Measured, with a margin (docs/guide/hyper.md).
constexpr double kOverhead = 1.7;

struct HyperOptions {
  std::int64_t block, num_samples, bits, rounds, neighbors, window, base;
  bool center, norm, recursive, shared, always;
};

HyperOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  HyperOptions o{};
  o.block = reader.integer("block", 256, 1, 1 << 20);
  o.num_samples = reader.integer("m", 256, 1, 1 << 19);
  o.bits = reader.integer("bits", 8, 1, 24);
  o.rounds = reader.integer("rounds", 1, 1, 64);
  o.center = reader.boolean("center", true);
  o.norm = reader.boolean("norm", false);
  o.neighbors = reader.integer("neighbors", 0, 0, 64);
  o.recursive = reader.choice("causal", 0, {"onepass", "recursion"}) == 1;
  o.window = reader.integer("window", 256, 1, 1 << 20);
  o.base = reader.integer("base", 1024, 16, 1 << 20);
  o.shared = reader.choice("sample", 0, {"own", "shared"}) == 1;
  o.always = reader.boolean("always", false);
  reader.finish();
  return o;
}

std::string sort_lsh(const HyperOptions& o) {
  return fmt::format("sortlsh(block={},bits={},rounds={},center={},norm={},neighbors={})", o.block,
                     o.bits, o.rounds, o.center, o.norm, o.neighbors);
}

std::string full(const HyperOptions& o) {
  return fmt::format("{}+{}({})", sort_lsh(o), o.shared ? "uniform" : "prefix", o.num_samples);
}

std::string one_pass(const HyperOptions& o) {
  return fmt::format("window({})+{}+prefix({})", o.window, sort_lsh(o), 2 * o.num_samples);
}

std::string recursion(const HyperOptions& o) {
  return fmt::format("recursion(block={},m={},base={},bits={},center={},norm={})", o.block,
                     o.num_samples, o.base, o.bits, o.center, o.norm);
}

// Keys that a row sees on average, from rows spread over the head.
double mean_visible(const HeadProblem& head) {
  constexpr std::int64_t kProbes = 64;
  const std::int64_t probes = std::min(kProbes, head.num_rows());
  double sum = 0;
  for (std::int64_t i = 0; i < probes; ++i) {
    const Range seen = head.visible((2 * i + 1) * head.num_rows() / (2 * probes));
    sum += static_cast<double>(seen.end - seen.begin);
  }
  return probes > 0 ? sum / static_cast<double>(probes) : 0;
}

class Hyper final : public Recipe {
 public:
  Hyper(const HyperOptions& options, const std::string& others, std::span<const GivenMask> given)
      : options_(options),
        exact_(parse_method("exact")),
        full_(parse_method(others + full(options), given)),
        one_pass_(parse_method(others + one_pass(options), given)),
        recursion_(parse_method(others + recursion(options), given)) {}

  const Method& choose(const HeadProblem& head) const override {
    if (!options_.always && mean_visible(head) <= kOverhead * entries(head)) return exact_;
    if (!head.has_band()) return full_;
    return recursive(head) ? recursion_ : one_pass_;
  }

 private:
  bool recursive(const HeadProblem& head) const {
    return options_.recursive && head.problem->causal != Causal::none;
  }

  // Entries scored for a row on average.
  double entries(const HeadProblem& head) const {
    const auto block =
        static_cast<double>(options_.block * (1 + 2 * options_.neighbors) * options_.rounds);
    const auto m = static_cast<double>(options_.num_samples);
    if (!head.has_band()) return block + m;
    if (!recursive(head)) return static_cast<double>(options_.window) + 128 + block / 2 + 2 * m;
    const auto base = static_cast<double>(options_.base);
    const double levels = std::log2(std::max(1.0, static_cast<double>(head.num_keys) / base));
    return levels / 2 * (static_cast<double>(options_.block) + m) + base / 2;
  }

  HyperOptions options_;
  Method exact_, full_, one_pass_, recursion_;
};

}  // namespace

std::unique_ptr<Recipe> make_hyper(const SpecPart& spec, const std::string& others,
                                   std::span<const GivenMask> given) {
  return std::make_unique<Hyper>(read_options(spec), others.empty() ? "" : others + "+", given);
}

}  // namespace subquad
