// Every part of a spec with options that let it act at a few hundred keys: the one list that
// property tests over all parts walk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::testing {

// Under a causal mask or a window: no influence of hidden entries; of later queries (by the card),
// but not of keys and values; of all of them by the card; strict=false: of all, and the path says
// so.
enum class Strict : std::uint8_t { yes, in_keys, no, published };

struct PartCase {
  std::string spec;
  Strict strict = Strict::yes;
  bool exact_under_masks = false;  // with an element mask the part runs exactly
};

const std::vector<PartCase>& all_parts();

// The part beside patterns; "" where it stands alone.
inline std::string with_sink_and_window(const std::string& spec) {
  return spec == "exact" ? "" : "sink(2)+window(11)+" + spec;
}

}  // namespace subquad::testing
