#include "methods/hyper.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "exact/tile_forward.h"
#include "heavy/pattern/window.h"
#include "heavy/sort_lsh/sort_lsh.h"
#include "light/sampled/prefix.h"
#include "light/sampled/uniform.h"
#include "methods/recursion.h"

namespace subquad {
namespace {

// A scored entry of an approximation costs this much more than one of exact attention: hashing,
// sorting, gathering, merging. Measured, with a margin (docs/guide/hyper.md), but for dot products,
// which are between the others: on tiles, scores are the least of it. By Arithmetic.
constexpr double kOverhead[] = {1.7, 2.5, 6};

struct HyperOptions {
  SortLshOptions lsh;
  std::int64_t num_samples = 256, window = 256, base = 1024;
  bool recursive = false, shared = false, always = false;
};

HyperOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  HyperOptions o;
  o.lsh.block = reader.integer("block", o.lsh.block, 1, 1 << 20);
  o.num_samples = reader.integer("m", o.num_samples, 1, 1 << 19);
  o.lsh.hash.bits = reader.integer("bits", o.lsh.hash.bits, 1, 24);
  o.lsh.rounds = reader.integer("rounds", o.lsh.rounds, 1, 64);
  o.lsh.hash.center = reader.boolean("center", o.lsh.hash.center);
  o.lsh.hash.norm = reader.boolean("norm", o.lsh.hash.norm);
  o.lsh.neighbors = reader.integer("neighbors", o.lsh.neighbors, 0, 64);
  o.recursive = reader.choice("causal", 0, {"onepass", "recursion"}) == 1;
  o.window = reader.integer("window", o.window, 1, 1 << 20);
  o.base = reader.integer("base", o.base, 16, 1 << 20);
  o.shared = reader.choice("sample", 0, {"own", "shared"}) == 1;
  o.always = reader.boolean("always", false);
  o.lsh.strict = reader.boolean("strict", o.lsh.strict);
  reader.finish();
  return o;
}

std::string named(const char* part, const HyperOptions& o) {
  return o.lsh.strict ? part : std::string(part) + ":published";
}

Method full(const HyperOptions& o, Method method) {
  method.add(named("sortlsh", o), make_sort_lsh(o.lsh));
  return o.shared ? method.add("uniform", make_uniform(o.num_samples, false))
                  : method.add("prefix", make_prefix(o.num_samples));
}

Method one_pass(const HyperOptions& o, Method method) {
  return method.add("window", make_window(o.window))
      .add(named("sortlsh", o), make_sort_lsh(o.lsh))
      .add("prefix", make_prefix(2 * o.num_samples));
}

Method recursion(const HyperOptions& o, Method method) {
  const RecursionOptions options{o.lsh.block, o.num_samples, o.base, o.lsh.hash, o.lsh.strict};
  method.heavy.push_back(make_recursion_blocks(options));
  return method.add(named("recursion", o), make_recursion_samples(options));
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
  Hyper(const HyperOptions& options, const Method& others)
      : options_(options),
        full_(full(options, others)),
        one_pass_(one_pass(options, others)),
        recursion_(recursion(options, others)) {}

  const Method& choose(const HeadProblem& head) const override {
    const double overhead = kOverhead[static_cast<std::size_t>(arithmetic_of(head))];
    if (!options_.always && mean_visible(head) <= overhead * entries(head)) return exact_;
    if (!head.has_band()) return full_;
    return recursive(head) ? recursion_ : one_pass_;
  }

 private:
  bool recursive(const HeadProblem& head) const {
    return options_.recursive && head.problem->causal != Causal::none;
  }

  // Entries scored for a row on average.
  double entries(const HeadProblem& head) const {
    const SortLshOptions& lsh = options_.lsh;
    const auto block = static_cast<double>(lsh.block * (1 + 2 * lsh.neighbors) * lsh.rounds);
    const auto m = static_cast<double>(options_.num_samples);
    if (!head.has_band()) return block + m;
    if (!recursive(head)) return static_cast<double>(options_.window) + 128 + block / 2 + 2 * m;
    const auto base = static_cast<double>(options_.base);
    const double levels = std::log2(std::max(1.0, static_cast<double>(head.num_keys) / base));
    return levels / 2 * (static_cast<double>(lsh.block) + m) + base / 2;
  }

  HyperOptions options_;
  Method exact_ = exact_method(), full_, one_pass_, recursion_;
};

}  // namespace

std::unique_ptr<Recipe> make_hyper(const SpecPart& spec, const Method& others) {
  return std::make_unique<Hyper>(read_options(spec), others);
}

}  // namespace subquad
