// What a method says of its run over one head.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace subquad {

struct KernelRecord {
  std::string path;
  std::int64_t entries = 0;  // kernels evaluated
  std::int64_t opened_entries = 0;
  double error = 0;  // estimated, relative Frobenius; NaN: no estimate
  double error_bound = std::numeric_limits<double>::quiet_NaN();  // NaN: none is known
};

}  // namespace subquad
