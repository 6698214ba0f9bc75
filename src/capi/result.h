// The result object of the C interface: a table of named values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "subquad/subquad.h"

namespace subquad::capi {

using Value =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;
using Row = std::vector<std::pair<const char*, Value>>;

}  // namespace subquad::capi

// Every row has the same keys in the same order.
struct subquad_result {
  std::vector<const char*> keys;
  std::vector<std::vector<subquad::capi::Value>> rows;
};

namespace subquad::capi {

// `keys` are string literals, the same in each row.
subquad_result make_result(const std::vector<Row>& rows);

}  // namespace subquad::capi
