// The only list of parts. The spec parser, `subquad specs`, --help, docs/guide/specs.md, the
// property tests over all pairs, and the public and C interfaces' lists follow from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "methods/method.h"
#include "parts/spec.h"
#include "subquad/parts.h"

namespace subquad {

struct PartRow {
  const char* name;
  PartKind kind;
  const char* summary;  // one sentence without its full stop: which entries, or what estimate
  const char* source;   // paper and place; "ours"
  // Arguments for the tests. sample: small problems meet the part's every side. limit: with them a
  // heavy part holds every entry of a problem with up to N keys, and any other part is exact; N
  // stands for their number, nullptr for a part that has no such arguments.
  const char* sample;
  const char* limit;
  // Adds what the arguments ask for to the method; a recipe finds the heavy parts beside it there.
  // `given` as in parse_method().
  void (*add)(const SpecPart& spec, std::span<const GivenMask> given, Method& method);
  std::string (*path)(const SpecPart& spec) = nullptr;  // in Report::path; nullptr: the name
};

// In the order of the documentation.
std::span<const PartRow> registry();

// The row of a part; nullptr without one.
const PartRow* find_part(std::string_view name);

// The part's parameters in the order of positional arguments, as its reader declares them.
std::vector<SpecParameter> parameters_of(const PartRow& row);

}  // namespace subquad
