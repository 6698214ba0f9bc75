// subquad._subquad: include/subquad as the package uses it. Nobody else should: it changes.
#include <exception>

#include "bind.h"
#include "bound_problem.h"

namespace subquad::python {
namespace {

// The package's exceptions; the interpreter keeps them.
PyObject* error_type = nullptr;
PyObject* failed_type = nullptr;

PyObject* new_exception(const char* name, const char* text, PyObject* base) {
  PyObject* type = PyErr_NewExceptionWithDoc(name, text, base, nullptr);
  if (type == nullptr) nb::raise_python_error();
  return type;
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    PyErr_SetString(error.kind() == ErrorKind::failed ? failed_type : error_type, error.what());
  }
}

void bind_errors(nb::module_& module) {
  error_type =
      new_exception("subquad.Error", "What is wrong with an argument, in one line that names it.",
                    PyExc_ValueError);
  failed_type =
      new_exception("subquad.FailedError",
                    "The computation or the system failed, not the arguments.", error_type);
  module.attr("Error") = nb::handle(error_type);
  module.attr("FailedError") = nb::handle(failed_type);
  nb::register_exception_translator(&translate);
}

}  // namespace
}  // namespace subquad::python

NB_MODULE(_subquad, module) {
  using namespace subquad::python;
  bind_errors(module);
  bind_problem(module);
  bind_attention(module);
  bind_measures(module);
  bind_kernel_sums(module);
  bind_linear_state(module);
  bind_files(module);
  bind_info(module);
}
