// attend, attend_backward, certify. Every call works without the interpreter's lock.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "bind.h"
#include "bound_problem.h"

namespace subquad::python {
namespace {

using OptionalTarget = std::optional<Target>;

// The package's Certificate, field by field; None without rows.
nb::object fields_of(const Certificate& c) {
  if (c.rows == 0) return nb::none();
  return nb::make_tuple(c.rows, c.total_rows, c.share, c.confidence, c.largest_row_error,
                        c.largest_row_error_to_rms, c.rms_row_norm, c.rel_fro,
                        nb::make_tuple(c.worst.batch, c.worst.head, c.worst.position));
}

// The package's Report, field by field.
nb::tuple fields_of(const Report& r) {
  return nb::make_tuple(r.path, r.rows, r.fallback_rows, r.scored_entries, r.peak_extra_bytes,
                        r.exact_heads, r.negative_rows, r.recall, r.estimated_error,
                        fields_of(r.certificate));
}

struct Call {
  std::vector<GivenMask> given;
  Options options;

  Call(const std::vector<const BoundGiven*>& masks, std::uint64_t seed, int threads) {
    for (const BoundGiven* mask : masks) given.push_back(mask->get());
    options.seed = seed;
    options.threads = threads;
    options.given = given;
  }
};

nb::tuple run_attend(const BoundProblem& problem, const std::string& method, const Target& out,
                     const OptionalTarget& lse, const OptionalTarget& row_error,
                     const std::vector<const BoundGiven*>& given, std::uint64_t seed, int threads) {
  Outputs outputs;
  outputs.out = tensor_of("out", out);
  if (lse) outputs.lse = rows_of("lse", *lse);
  if (row_error) outputs.row_error = rows_of("row_error", *row_error);
  const Call call(given, seed, threads);
  Report report;
  {
    const nb::gil_scoped_release unlocked;
    report = attend(problem.get(), method, outputs, call.options);
  }
  return fields_of(report);
}

nb::tuple run_backward(const BoundProblem& problem, const std::string& method, const Array& out,
                       const Array& lse, const Array& grad_out,
                       const std::optional<Array>& grad_lse, const OptionalTarget& grad_query,
                       const OptionalTarget& grad_key, const OptionalTarget& grad_value,
                       const std::vector<const BoundGiven*>& given, std::uint64_t seed,
                       int threads) {
  BackwardArguments arguments;
  arguments.out = tensor_of("out", out);
  arguments.lse = rows_of("lse", lse);
  arguments.grad_out = tensor_of("grad_out", grad_out);
  if (grad_lse) arguments.grad_lse = rows_of("grad_lse", *grad_lse);
  if (grad_query) arguments.grad_query = tensor_of("grad_query", *grad_query);
  if (grad_key) arguments.grad_key = tensor_of("grad_key", *grad_key);
  if (grad_value) arguments.grad_value = tensor_of("grad_value", *grad_value);
  const Call call(given, seed, threads);
  Report report;
  {
    const nb::gil_scoped_release unlocked;
    report = attend_backward(problem.get(), method, arguments, call.options);
  }
  return fields_of(report);
}

nb::object run_certify(const BoundProblem& problem, const Array& out, std::int64_t rows,
                       double share, double confidence, std::uint64_t seed, int threads) {
  const TensorView view = tensor_of("out", out);
  Certificate certificate;
  {
    const nb::gil_scoped_release unlocked;
    certificate = certify(
        problem.get(), view,
        {.rows = rows, .share = share, .confidence = confidence, .seed = seed, .threads = threads});
  }
  return fields_of(certificate);
}

}  // namespace

void bind_attention(nb::module_& module) {
  module.def("attend", &run_attend, nb::arg("problem"), nb::arg("method"), nb::arg("out"),
             nb::arg("lse").none(), nb::arg("row_error").none(), nb::arg("given"), nb::arg("seed"),
             nb::arg("threads"));
  module.def("attend_backward", &run_backward, nb::arg("problem"), nb::arg("method"),
             nb::arg("out"), nb::arg("lse"), nb::arg("grad_out"), nb::arg("grad_lse").none(),
             nb::arg("grad_query").none(), nb::arg("grad_key").none(), nb::arg("grad_value").none(),
             nb::arg("given"), nb::arg("seed"), nb::arg("threads"));
  module.def("certify", &run_certify, nb::arg("problem"), nb::arg("out"), nb::arg("rows"),
             nb::arg("share"), nb::arg("confidence"), nb::arg("seed"), nb::arg("threads"));
}

}  // namespace subquad::python
