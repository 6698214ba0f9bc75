// Sums of Gaussian kernels, and linear attention step by step.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "arrays.h"
#include "bind.h"

namespace subquad::python {
namespace {

nb::tuple run_kernel_sums(const Array& query, const Array& key, const Array& value,
                          double bandwidth, const std::string& method, const Target& out,
                          std::uint64_t seed, int threads) {
  const KernelProblem problem{tensor_of("query", query), tensor_of("key", key),
                              tensor_of("value", value), bandwidth};
  const KernelOutputs outputs{tensor_of("out", out)};
  Options options;
  options.seed = seed;
  options.threads = threads;
  KernelReport r;
  {
    const nb::gil_scoped_release unlocked;
    r = kernel_sums(problem, method, outputs, options);
  }
  return nb::make_tuple(r.path, r.rows, r.scored_entries, r.peak_extra_bytes, r.opened_entries,
                        r.estimated_error);
}

FeatureMap map_of(const std::string& name) {
  if (name == "none") return FeatureMap::none;
  if (name == "elu") return FeatureMap::elu;
  if (name == "relu") return FeatureMap::relu;
  throw_invalid("feature_map: '" + name + "' is none of none, elu and relu");
}

void make_state(LinearState* place, std::int64_t batch, std::int64_t kv_heads,
                std::int64_t head_dim, std::int64_t value_dim, const std::string& map,
                std::optional<double> scale) {
  LinearShape shape{batch, kv_heads, head_dim, value_dim, map_of(map), {}};
  if (scale) shape.scale = static_cast<float>(*scale);
  new (place) LinearState(shape);
}

void append_keys(LinearState& state, const Array& key, const Array& value, int threads) {
  const TensorView keys = tensor_of("keys", key);
  const TensorView values = tensor_of("values", value);
  const nb::gil_scoped_release unlocked;
  state.append(keys, values, threads);
}

std::int64_t attend_state(const LinearState& state, const Array& query, const Target& out,
                          int threads) {
  const TensorView queries = tensor_of("queries", query);
  const MutableTensorView target = tensor_of("out", out);
  const nb::gil_scoped_release unlocked;
  return state.attend(queries, target, threads);
}

// A view: it keeps the state alive.
nb::object sums_of(nb::handle self) {
  LinearState& state = nb::cast<LinearState&>(self);
  const LinearShape& s = state.shape();
  const std::size_t shape[] = {
      static_cast<std::size_t>(s.batch), static_cast<std::size_t>(s.kv_heads),
      static_cast<std::size_t>(s.head_dim), static_cast<std::size_t>(s.value_dim + 1)};
  return nb::cast(nb::ndarray<nb::numpy, double>(state.sums().data(), 4, shape, self));
}

}  // namespace

void bind_kernel_sums(nb::module_& module) {
  module.def("kernel_sums", &run_kernel_sums, nb::arg("query"), nb::arg("key"), nb::arg("value"),
             nb::arg("bandwidth"), nb::arg("method"), nb::arg("out"), nb::arg("seed"),
             nb::arg("threads"));
}

void bind_linear_state(nb::module_& module) {
  nb::class_<LinearState>(module, "LinearState")
      .def("__init__", &make_state, nb::arg("batch"), nb::arg("kv_heads"), nb::arg("head_dim"),
           nb::arg("value_dim"), nb::arg("feature_map"), nb::arg("scale").none())
      .def("append", &append_keys, nb::arg("keys"), nb::arg("values"), nb::arg("threads"))
      .def("attend", &attend_state, nb::arg("queries"), nb::arg("out"), nb::arg("threads"))
      .def_prop_ro("sums", [](nb::handle self) { return sums_of(self); });
}

}  // namespace subquad::python
