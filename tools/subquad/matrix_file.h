// Matrices of tensor files and of CSV files.
#pragma once

#include <string>
#include <vector>

#include "float_tensor.h"
#include "subquad/io.h"
#include "subquad/tensor.h"

namespace subquad::cli {

// A file that holds a matrix, as the command line says it.
struct MatrixFile {
  std::string option, path;
  std::string name;  // of the tensor; empty: the only one
};

// A matrix and the memory that it points into.
struct Matrix {
  io::TensorFile file;
  FloatTensor values;
  TensorView view;    // (1, 1, rows, columns)
  std::string label;  // what the user called it: "--keys k.npy (50, 3)"
  bool is_vector = false;
};

// Throws Error that names the option and the file. A vector is a matrix of one column.
Matrix load_matrix(const MatrixFile& from, bool may_be_vector);

// The same from a tensor file or, where the name ends in .csv, from lines of numbers with commas
// between them. The first line may be a header: one of which no cell is a number. Empty lines are
// skipped. Error naming option, file, line and column of what is no number, or where a line has
// more or fewer cells than the first.
Matrix load_points(const MatrixFile& from);

// Throws Error where they differ in rows, or in columns.
void check_same_rows(const Matrix& a, const Matrix& b);
void check_same_columns(const Matrix& a, const Matrix& b);

// Says on stderr which of the options' matrices were f64.
struct NamedMatrix {
  std::string option;
  const Matrix& matrix;
};
std::vector<std::string> converted_of(const std::vector<NamedMatrix>& matrices);
void note_converted(const std::vector<std::string>& options);

}  // namespace subquad::cli
