// Probes and layer metrics in C.
#include <algorithm>
#include <vector>

#include "capi/convert.h"
#include "capi/options.h"
#include "capi/rows.h"
#include "subquad/attention_metrics.h"
#include "subquad/probe.h"

using namespace subquad;
using namespace subquad::capi;

static_assert(sizeof(Position) == 2 * sizeof(float));

extern "C" {

subquad_status subquad_probe_alpha(const subquad_problem* problem, const subquad_options* options,
                                   subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(probe_alpha(to_problem(problem), with_run(all.alpha, all)), result);
  });
}

subquad_status subquad_probe_kappa(const subquad_problem* problem, const char* heavy_spec,
                                   const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(probe_kappa(to_problem(problem), required_text("heavy_spec", heavy_spec),
                      with_run(KappaOptions(), all)),
          result);
  });
}

double subquad_kappa_floor(double lse) { return kappa_floor(lse); }

subquad_status subquad_probe_stable_rank(const subquad_problem* problem,
                                         const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(probe_stable_rank(to_problem(problem), with_run(all.stable_rank, all)), result);
  });
}

subquad_status subquad_probe_head_tail(const subquad_problem* problem,
                                       const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(probe_head_tail(to_problem(problem), with_run(all.head_tail, all)), result);
  });
}

subquad_status subquad_lemma_samples(int64_t n, int64_t value_dim, double epsilon, double alpha,
                                     double log10_kappa, double stable_rank,
                                     const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const LemmaInputs inputs{n, value_dim, epsilon, alpha, log10_kappa, stable_rank};
    store(lemma_samples(inputs, options_of(options).lemmas), result);
  });
}

subquad_status subquad_attention_statistics(const subquad_problem* problem, const float* positions,
                                            int64_t num_positions, const subquad_options* options,
                                            subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    AttentionStatisticsOptions statistics = with_run(all.statistics, all);
    statistics.positions = to_span("positions", reinterpret_cast<const Position*>(positions),
                                   "num_positions", num_positions);
    store(attention_statistics(to_problem(problem), statistics), result);
  });
}

subquad_status subquad_token_similarity(const subquad_tensor* tokens, double* values,
                                        int64_t count) {
  return guarded([&] {
    const TensorView view = to_view("tokens", tokens);
    check_view("tokens", view);
    const std::span<double> list =
        to_numbers({"values", values, "count", count}, heads_of("tokens", view),
                   std::vector<Region>{region_of("tokens", view)});
    std::ranges::copy(token_similarity(view), list.begin());
  });
}

subquad_status subquad_residual_ratio(const subquad_tensor* branch, const subquad_tensor* main,
                                      double* values, int64_t count) {
  return guarded([&] {
    const TensorView added = to_view("branch", branch), whole = to_view("main", main);
    check_view("branch", added);
    check_view("main", whole);
    const std::span<double> list =
        to_numbers({"values", values, "count", count}, heads_of("branch", added),
                   std::vector<Region>{region_of("branch", added), region_of("main", whole)});
    std::ranges::copy(residual_ratio(added, whole), list.begin());
  });
}

}  // extern "C"
