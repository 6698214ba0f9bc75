// What every entry point of the library shares: common checks, heads, scratch meter, report.
#pragma once

#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "subquad/attention.h"

namespace subquad {

// Call check_call() first, then the checks of the entry point's own arguments, then open a Call.
void check_call(const Problem& problem, const Options& options);

class Call {
 public:
  Call(const Problem& problem, const Options& options);

  std::span<const HeadProblem> heads() const { return heads_; }
  int threads() const { return threads_; }
  Report& report() { return report_; }
  // The report, with the peak of scratch memory since the call was opened.
  Report close();

 private:
  MemoryMeter meter_;
  MeterScope scope_;
  std::vector<HeadProblem> heads_;
  int threads_;
  Report report_;
};

}  // namespace subquad
