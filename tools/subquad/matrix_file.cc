#include "matrix_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "messages.h"
#include "numbers.h"
#include "options.h"
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

std::string label_of(const MatrixFile& from, const std::vector<std::int64_t>& shape) {
  return fmt::format("{} {} {}", from.option, from.path, shape_text(shape));
}

std::string trimmed(const std::string& cell) {
  const std::size_t begin = cell.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return cell.substr(begin, cell.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells = split_lists({line});
  for (std::string& cell : cells) cell = trimmed(cell);
  return cells;
}

bool is_number(const std::string& cell) {
  char* end = nullptr;
  std::strtod(cell.c_str(), &end);
  return !cell.empty() && *end == '\0';
}

// The numbers of a CSV file, row by row.
class CsvReader {
 public:
  explicit CsvReader(const MatrixFile& from) : from_(from), input_(from.path) {
    if (!input_) fail(from_, "cannot be read");
  }
  std::vector<float> read() {
    std::vector<float> values;
    for (std::string line; std::getline(input_, line);) {
      ++line_;
      const std::vector<std::string> cells = cells_of(line);
      if (cells.size() == 1 && cells.front().empty()) continue;
      if (columns_ == 0 && std::none_of(cells.begin(), cells.end(), is_number) && !header_)
        header_ = true;
      else
        add(cells, values);
    }
    if (input_.bad()) fail(from_, "cannot be read to its end");
    if (columns_ == 0) fail(from_, "has no line of numbers");
    return values;
  }
  std::size_t columns() const { return columns_; }

 private:
  void add(const std::vector<std::string>& cells, std::vector<float>& values) {
    if (columns_ == 0) columns_ = cells.size();
    if (cells.size() != columns_)
      fail(from_, fmt::format("line {} has {} columns, the lines before it {}", line_, cells.size(),
                              columns_));
    for (std::size_t c = 0; c < cells.size(); ++c)
      values.push_back(finite_number(
          cells[c],
          fmt::format("{} {}: line {}, column {}", from_.option, from_.path, line_, c + 1)));
  }

  const MatrixFile& from_;
  std::ifstream input_;
  std::size_t columns_ = 0;
  std::int64_t line_ = 0;
  bool header_ = false;
};

Matrix load_csv(const MatrixFile& from) {
  if (!from.name.empty()) fail(from, fmt::format("a CSV file has no tensor '{}'", from.name));
  CsvReader reader(from);
  const auto values = std::make_shared<const std::vector<float>>(reader.read());
  const auto columns = static_cast<std::int64_t>(reader.columns());
  const std::int64_t rows = std::ssize(*values) / columns;
  Matrix matrix;
  matrix.values.data = values->data();
  matrix.view = dense_view(matrix.values.data, DType::f32, {1, 1, rows, columns});
  matrix.values.storage = values;
  matrix.label = label_of(from, {rows, columns});
  return matrix;
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
  matrix.label = label_of(from, tensor.shape);
  return matrix;
}

Matrix load_points(const MatrixFile& from) {
  return from.path.ends_with(".csv") ? load_csv(from) : load_matrix(from, false);
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
