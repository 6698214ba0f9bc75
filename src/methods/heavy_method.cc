#include "methods/heavy_method.h"

#include <string>

#include <fmt/format.h>

#include "heavy/pattern/given.h"
#include "methods/registry.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// Runs call(); its errors begin with the name of the spec instead of the word.
template <typename Call>
auto with_name(std::string_view name, std::string_view spec, const Call& call) {
  try {
    return call();
  } catch (const Error& error) {
    const std::string shown = shown_spec(spec), own = fmt::format("spec '{}': ", shown);
    std::string_view what = error.what();
    if (what.starts_with(own)) what.remove_prefix(own.size());
    throw Error(error.kind(), fmt::format("{} '{}': {}", name, shown, what));
  }
}

// An unknown part is for parse_method() to name.
void check_kinds(std::string_view spec) {
  for (const SpecPart& part : parse_spec(spec)) {
    const PartRow* row = find_part(part.name);
    if (row != nullptr && row->kind != PartKind::heavy)
      throw_invalid(fmt::format("must name heavy parts alone; {} is of the kind '{}'", part.name,
                                to_string(row->kind)));
  }
}

// The spec without the parts that stand for masks, which have their own check.
std::string without_given(std::string_view spec) {
  std::string others;
  for (const SpecPart& part : parse_spec(spec)) {
    if (part.name == "given") {
      given_index(part);
      continue;
    }
    if (!others.empty()) others += '+';
    others += to_text(part);
  }
  return others;
}

}  // namespace

Method parse_heavy_method(std::string_view name, std::string_view spec,
                          std::span<const GivenMask> given) {
  return with_name(name, spec, [&] {
    check_kinds(spec);
    return parse_method(spec, given);
  });
}

void check_heavy_spec(std::string_view name, std::string_view spec) {
  with_name(name, spec, [&] {
    check_kinds(spec);
    const std::string others = without_given(spec);
    if (!others.empty()) parse_method(others);
  });
}

}  // namespace subquad
