// HyperAttention's Algorithms 2 and 3 in C.
#include "capi/convert.h"
#include "capi/options.h"
#include "capi/rows.h"
#include "subquad/hyper.h"

using namespace subquad;
using namespace subquad::capi;

extern "C" {

subquad_status subquad_approximate_row_sums(const subquad_problem* problem,
                                            const subquad_tensor* log_row_sums,
                                            const subquad_options* options, subquad_result* report,
                                            subquad_result* heads) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    const ApproxDReport done =
        approximate_row_sums(to_problem(problem), all.approx_d,
                             to_target("log_row_sums", log_row_sums), run_options(all));
    store(done.report, report);
    store(done.heads, heads);
  });
}

subquad_status subquad_sample_value_rows(const subquad_problem* problem,
                                         const subquad_options* options, subquad_result* samples) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(sample_value_rows(to_problem(problem), all.values, run_options(all)), samples);
  });
}

subquad_status subquad_hyper_attention(const subquad_problem* problem, const subquad_tensor* out,
                                       const subquad_tensor* lse, const subquad_tensor* row_error,
                                       const subquad_options* options, subquad_result* report,
                                       subquad_result* heads, subquad_result* samples) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    const HyperReport done = hyper_attention(to_problem(problem), all.approx_d, all.values,
                                             to_outputs(out, lse, row_error), run_options(all));
    store(done.report, report);
    store(done.heads, heads);
    store(done.samples, samples);
  });
}

}  // extern "C"
