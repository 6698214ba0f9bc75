#include "parts/light.h"

namespace subquad {

void LightPart::add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                       TileScratch& scratch, RunList& runs) const {
  add_runs(rows.rows(), runs);
  for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
}

}  // namespace subquad
