#include "methods/method.h"

#include <algorithm>

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "methods/registry.h"
#include "subquad/error.h"

namespace subquad {
namespace {

const PartRow& find_row(std::string_view spec, const std::string& name) {
  if (const PartRow* row = find_part(name)) return *row;
  std::vector<std::string_view> known;
  for (const PartRow& row : registry()) known.emplace_back(row.name);
  throw_invalid(
      fmt::format("spec '{}': unknown part '{}'; known: {}", spec, name, fmt::join(known, ", ")));
}

// At most one part says what happens to the rest, and one how outputs are corrected; exact leaves
// nothing to say.
void check_together(std::string_view spec, std::span<const PartRow* const> rows) {
  int light = 0, corrections = 0;
  for (const PartRow* row : rows) {
    if (row->kind == PartKind::exact && rows.size() > 1)
      throw_invalid(fmt::format("spec '{}': {} takes no other part", spec, row->name));
    const bool corrects = row->kind == PartKind::correction;
    corrections += corrects ? 1 : 0;
    light += row->kind != PartKind::exact && row->kind != PartKind::heavy && !corrects ? 1 : 0;
  }
  if (light > 1) throw_invalid(fmt::format("spec '{}': more than one light part", spec));
  if (corrections > 1) throw_invalid(fmt::format("spec '{}': more than one correction", spec));
}

}  // namespace

Method& Method::add(std::string_view name, std::shared_ptr<const HeavyRule> rule) {
  heavy.push_back(std::move(rule));
  add_name(name);
  return *this;
}

Method& Method::add(std::string_view name, std::shared_ptr<const LightRule> rule) {
  light = std::move(rule);
  add_name(name);
  return *this;
}

Strict Method::strictness() const {
  Strict worst = light != nullptr ? light->strictness() : Strict::always;
  for (const auto& rule : heavy) worst = std::min(worst, rule->strictness());
  // Row j sees keys that an element mask may hide from the rows that follow it.
  if (delta_step > 1) worst = std::min(worst, Strict::bands);
  return worst;
}

void Method::add_name(std::string_view name) {
  if (!names.empty()) names += '+';
  names += name;
}

Method exact_method() {
  Method method;
  method.exact = true;
  method.names = "exact";
  return method;
}

Method parse_method(std::string_view spec, std::span<const GivenMask> given) {
  const std::vector<SpecPart> parts = parse_spec(spec);
  std::vector<const PartRow*> rows;
  for (const SpecPart& part : parts) rows.push_back(&find_row(spec, part.name));
  check_together(spec, rows);
  Method method;  // of all parts but a recipe, which then makes its own methods from it
  std::string names;
  const SpecPart* recipe = nullptr;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string name = rows[i]->path != nullptr ? rows[i]->path(parts[i]) : parts[i].name;
    names += (i > 0 ? "+" : "") + name;
    if (rows[i]->kind == PartKind::recipe) {
      recipe = &parts[i];
    } else {
      rows[i]->add(parts[i], given, method);
      method.add_name(name);
    }
  }
  if (recipe != nullptr) find_row(spec, recipe->name).add(*recipe, given, method);
  method.names = std::move(names);
  return method;
}

}  // namespace subquad
