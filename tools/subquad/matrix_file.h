// Matrices of tensor files and of CSV files.
#pragma once

#include <memory>
#include <string>

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

// Error naming option and file.
Matrix load_matrix(const MatrixFile& from, bool may_be_vector);

// The same from a tensor file or, where the name ends in .csv, from lines of numbers with commas
// between them. The first line may be a header: one of which no cell is a number. Empty lines are
// skipped. Error naming option, file, line and column of what is no number, or where a line has
// more or fewer cells than the first.
Matrix load_points(const MatrixFile& from);

}  // namespace subquad::cli
