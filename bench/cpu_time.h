// CPU time of the whole process: what other work on the machine disturbs least.
#pragma once

#include <algorithm>
#include <ctime>
#include <limits>

namespace subquad::bench {

inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least of the CPU times of function(0), function(1), .., function(repeats - 1).
template <typename Function>
double best_seconds(int repeats, const Function& function) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const double start = cpu_seconds();
    function(i);
    best = std::min(best, cpu_seconds() - start);
  }
  return best;
}

}  // namespace subquad::bench
