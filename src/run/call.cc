#include "run/call.h"

#include "core/checks.h"
#include "core/isa.h"
#include "core/threads.h"
#include "core/given_check.h"

namespace subquad {

void check_call(const Problem& problem, const Options& options) {
  ensure_isa();
  validate(problem);
  validate_given(problem, options.given);
  check_threads(options.threads);
}

Call::Call(const Problem& problem, const Options& options)
    : scope_(&meter_), heads_(split_heads(problem)), threads_(resolved_threads(options.threads)) {
  for (const HeadProblem& head : heads_) report_.rows += head.num_rows();
}

Report Call::close() {
  report_.peak_extra_bytes = meter_.peak();
  return report_;
}

}  // namespace subquad
