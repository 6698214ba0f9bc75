#include "methods/method.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "heavy/expander/expander.h"
#include "heavy/pattern/given.h"
#include "heavy/pattern/sink.h"
#include "heavy/sort_lsh/sort_lsh.h"
#include "heavy/topk/topk.h"
#include "heavy/pattern/window.h"
#include "light/sampled/approx_d.h"
#include "light/linear/linear.h"
#include "far/multipole.h"
#include "light/sampled/prefix.h"
#include "light/sampled/row_norm.h"
#include "light/sampled/uniform.h"
#include "parts/spec.h"
#include "methods/far.h"
#include "methods/hyper.h"
#include "methods/recursion.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// A new part is one line here.
struct HeavyEntry {
  const char* name;
  std::unique_ptr<HeavyRule> (*make)(const SpecPart&);
  std::string (*path)(const SpecPart&) = nullptr;  // in Report::path; nullptr: the name
};
constexpr HeavyEntry kHeavy[] = {
    {"sink", make_sink_rule},          {"window", make_window_rule},
    {"band", make_band_rule},          {"sortlsh", make_sort_lsh_rule},
    {"expander", make_expander_rule},  {"topk", make_topk_rule, topk_path},
    {"knn", make_topk_rule, topk_path}};
constexpr const char* kGiven = "given";  // heavy too; its rule reads the caller's masks

// drop: the light part that adds nothing.
std::unique_ptr<LightRule> make_drop_rule(const SpecPart& spec) {
  SpecReader(spec).finish();
  return nullptr;
}

struct LightEntry {
  const char* name;
  std::unique_ptr<LightRule> (*make)(const SpecPart&);
};
constexpr LightEntry kLight[] = {
    {"drop", make_drop_rule},        {"uniform", make_uniform_rule},
    {"prefix", make_prefix_rule},    {"rownorm", make_row_norm_rule},
    {"approxd", make_approx_d_rule}, {"multipole", make_multipole_rule},
    {"linear", make_linear_rule}};

// Parts that are both heavy and light.
struct WholeEntry {
  const char* name;
  void (*add)(const SpecPart&, Method&);
};
constexpr WholeEntry kWhole[] = {{"recursion", add_recursion}};

// Choices among methods.
struct RecipeEntry {
  const char* name;
  std::unique_ptr<Recipe> (*make)(const SpecPart&, const std::string& others,
                                  std::span<const GivenMask>);
};
constexpr RecipeEntry kRecipes[] = {{"hyper", make_hyper}, {"far", make_far}};

template <typename Entry, std::size_t count>
const Entry* find_entry(const Entry (&entries)[count], const std::string& name) {
  for (const Entry& entry : entries)
    if (name == entry.name) return &entry;
  return nullptr;
}

// The part in Report::path.
std::string path_name(const SpecPart& part) {
  const HeavyEntry* heavy = find_entry(kHeavy, part.name);
  return heavy != nullptr && heavy->path != nullptr ? heavy->path(part) : part.name;
}

[[noreturn]] void throw_unknown(std::string_view spec, const std::string& name) {
  std::vector<std::string> known{"exact"};
  for (const HeavyEntry& entry : kHeavy) known.emplace_back(entry.name);
  known.emplace_back(kGiven);
  for (const LightEntry& entry : kLight) known.emplace_back(entry.name);
  for (const WholeEntry& entry : kWhole) known.emplace_back(entry.name);
  for (const RecipeEntry& entry : kRecipes) known.emplace_back(entry.name);
  throw_invalid(
      fmt::format("spec '{}': unknown part '{}'; known: {}", spec, name, fmt::join(known, ", ")));
}

// The parts but one, as text.
std::string others_of(const std::vector<SpecPart>& parts, const SpecPart& left_out) {
  std::vector<std::string> texts;
  for (const SpecPart& part : parts)
    if (&part != &left_out) texts.push_back(to_text(part));
  return fmt::format("{}", fmt::join(texts, "+"));
}

void claim_light(std::string_view spec, bool& has_light) {
  if (has_light) throw_invalid(fmt::format("spec '{}': more than one light part", spec));
  has_light = true;
}

}  // namespace

Method parse_method(std::string_view spec, std::span<const GivenMask> given) {
  const std::vector<SpecPart> parts = parse_spec(spec);
  Method method;
  bool has_light = false;
  for (const SpecPart& part : parts) {
    if (!method.names.empty()) method.names += '+';
    method.names += path_name(part);
    if (part.name == "exact") {
      SpecReader(part).finish();
      if (parts.size() > 1)
        throw_invalid(fmt::format("spec '{}': exact takes no other part", spec));
      method.exact = true;
    } else if (const HeavyEntry* heavy = find_entry(kHeavy, part.name)) {
      method.heavy.push_back(heavy->make(part));
    } else if (part.name == kGiven) {
      method.heavy.push_back(make_given_rule(part, given));
    } else if (const LightEntry* light = find_entry(kLight, part.name)) {
      claim_light(spec, has_light);
      method.light = light->make(part);
    } else if (const WholeEntry* whole = find_entry(kWhole, part.name)) {
      claim_light(spec, has_light);
      whole->add(part, method);
    } else if (const RecipeEntry* recipe = find_entry(kRecipes, part.name)) {
      claim_light(spec, has_light);
      method.recipe = recipe->make(part, others_of(parts, part), given);
    } else {
      throw_unknown(spec, part.name);
    }
  }
  return method;
}

}  // namespace subquad
