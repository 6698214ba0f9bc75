// What the library and the machine are, and what a spec can name.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"

namespace subquad::python {
namespace {

nb::dict info() {
  const BuildInfo build = build_info();
  nb::dict fields;
  fields["version"] = build.version;
  fields["compiler"] = build.compiler;
  fields["isa_compiled"] = build.isa_compiled;
  fields["isa_supported"] = build.isa_supported;
  fields["isa"] = build.isa;
  fields["threads"] = build.threads;
  return fields;
}

nb::list parts() {
  nb::list list;
  for (const PartInfo& part : method_parts()) {
    nb::list parameters;
    for (const PartParameter& p : part.parameters)
      parameters.append(nb::make_tuple(p.name, p.fallback, p.range));
    list.append(nb::make_tuple(part.name, to_string(part.kind), part.summary, part.source,
                               nb::tuple(parameters)));
  }
  return list;
}

double fma_gflops(int threads, double seconds) {
  const nb::gil_scoped_release unlocked;
  return measure_fma_gflops(threads, seconds);
}

}  // namespace

void bind_info(nb::module_& module) {
  module.def("build_info", &info);
  module.def("method_parts", &parts);
  module.def("measure_fma_gflops", &fma_gflops, nb::arg("threads"), nb::arg("seconds"));
  module.def("select_isa", &select_isa, nb::arg("name"));
  module.def("release_scratch", &release_scratch);
}

}  // namespace subquad::python
