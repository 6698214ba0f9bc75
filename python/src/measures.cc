// Errors of an output, and probes of what the papers assume.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "bind.h"
#include "bound_problem.h"

namespace subquad::python {
namespace {

// A list of tuples: the fields that `fields` gives of each.
template <typename Result, typename Fields>
nb::list listed(const std::vector<Result>& results, const Fields& fields) {
  nb::list list;
  for (const Result& result : results) list.append(fields(result));
  return list;
}

template <typename Function>
auto unlocked(const Function& function) {
  const nb::gil_scoped_release release;
  return function();
}

std::vector<double> run_norms(const BoundProblem& problem, int threads) {
  return unlocked([&] { return softmax_norms(problem.get(), {.threads = threads}); });
}

nb::list run_measure(const BoundProblem& problem, const Array& approx, const Array& exact,
                     bool operator_norm, const std::vector<double>& norms, int threads) {
  const TensorView one = tensor_of("approx", approx);
  const TensorView two = tensor_of("exact", exact);
  const auto errors = unlocked([&] {
    return measure_errors(problem.get(), one, two,
                          {.operator_norm = operator_norm, .norms = norms, .threads = threads});
  });
  return listed(errors, [](const ErrorMetrics& e) {
    return nb::make_tuple(e.head, e.rel_fro, e.max_over_vmax, e.op_rel, e.rows_over_1pct,
                          e.rows_over_5pct, e.rows_over_20pct);
  });
}

nb::list run_alpha(const BoundProblem& problem, std::int64_t skip_columns, std::int64_t rows,
                   std::uint64_t seed, int threads) {
  const AlphaOptions options{
      .skip_columns = skip_columns, .rows = rows, .threads = threads, .seed = seed};
  const auto results = unlocked([&] { return probe_alpha(problem.get(), options); });
  return listed(results, [](const Alpha& a) {
    return nb::make_tuple(a.sequence, a.head, a.alpha, a.column, a.sampled);
  });
}

nb::list run_kappa(const BoundProblem& problem, const std::string& heavy, std::uint64_t seed,
                   int threads) {
  const auto results = unlocked(
      [&] { return probe_kappa(problem.get(), heavy, {.threads = threads, .seed = seed}); });
  return listed(results, [](const Kappa& k) {
    return nb::make_tuple(k.log10_kappa, k.rows, k.empty_rows, k.unresolved_rows);
  });
}

nb::list run_stable_rank(const BoundProblem& problem, int threads) {
  const auto results =
      unlocked([&] { return probe_stable_rank(problem.get(), {.threads = threads}); });
  return listed(results, [](const StableRank& s) {
    return nb::make_tuple(s.frobenius_squared, s.operator_norm, s.stable_rank);
  });
}

}  // namespace

void bind_measures(nb::module_& module) {
  module.def("softmax_norms", &run_norms, nb::arg("problem"), nb::arg("threads"));
  module.def("measure_errors", &run_measure, nb::arg("problem"), nb::arg("approx"),
             nb::arg("exact"), nb::arg("operator_norm"), nb::arg("norms"), nb::arg("threads"));
  module.def("probe_alpha", &run_alpha, nb::arg("problem"), nb::arg("skip_columns"),
             nb::arg("rows"), nb::arg("seed"), nb::arg("threads"));
  module.def("probe_kappa", &run_kappa, nb::arg("problem"), nb::arg("heavy"), nb::arg("seed"),
             nb::arg("threads"));
  module.def("probe_stable_rank", &run_stable_rank, nb::arg("problem"), nb::arg("threads"));
}

}  // namespace subquad::python
