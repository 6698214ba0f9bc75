#include "matrix_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "messages.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

[[noreturn]] void fail(const MatrixFile& from, const std::string& what) {
  throw_invalid(fmt::format("{} {}: {}", from.option, from.path, what));
}

const io::Tensor& tensor_of(const io::TensorFile& file, const MatrixFile& from) {
  if (!from.name.empty()) return file.at(from.name);
  const std::vector<std::string> names = file.names();
  if (names.size() != 1)
    fail(from, fmt::format("has {} tensors; say which with {}-name", names.size(), from.option));
  return file.at(names.front());
}

void check_same(const Matrix& a, const Matrix& b, const char* what, std::int64_t of_a,
                std::int64_t of_b) {
  if (of_a != of_b)
    throw_invalid(
        fmt::format("{} and {} differ in {}: {} and {}", a.label, b.label, what, of_a, of_b));
}

}  // namespace

Matrix load_matrix(const MatrixFile& from, bool may_be_vector) {
  Matrix matrix;
  matrix.file = io::TensorFile::open(from.path);
  const io::Tensor& tensor = tensor_of(matrix.file, from);
  matrix.is_vector = may_be_vector && tensor.shape.size() == 1;
  if (!matrix.is_vector && tensor.shape.size() != 2)
    fail(from, fmt::format("has {} dimensions, must have 2", tensor.shape.size()));
  matrix.values = as_floats(tensor, fmt::format("{} {}", from.option, from.path));
  matrix.view = dense_view(matrix.values.data, matrix.values.dtype,
                           {1, 1, tensor.shape[0], matrix.is_vector ? 1 : tensor.shape[1]});
  matrix.label = fmt::format("{} {} {}", from.option, from.path, shape_text(tensor.shape));
  return matrix;
}

void check_same_rows(const Matrix& a, const Matrix& b) {
  check_same(a, b, "rows", a.view.length(), b.view.length());
}

void check_same_columns(const Matrix& a, const Matrix& b) {
  check_same(a, b, "columns", a.view.channels(), b.view.channels());
}

std::vector<std::string> converted_of(const std::vector<NamedMatrix>& matrices) {
  std::vector<std::string> options;
  for (const NamedMatrix& named : matrices)
    if (named.matrix.values.converted()) options.push_back(named.option);
  return options;
}

void note_converted(const std::vector<std::string>& options) {
  if (!options.empty())
    print_note(fmt::format("f64 is used as f32 ({})", fmt::join(options, ", ")));
}

}  // namespace subquad::cli
