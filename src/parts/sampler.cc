#include "parts/sampler.h"

namespace subquad {

void Sampler::add_sums(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                       TileScratch& scratch, RunList& runs) {
  for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
}

}  // namespace subquad
