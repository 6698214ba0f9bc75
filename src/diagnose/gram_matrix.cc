#include "diagnose/gram_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace subquad {
namespace {

double norm_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

GramMatrix::GramMatrix(std::int64_t width)
    : width_(width), entries_(static_cast<std::size_t>(width * width), 0.0) {}

void GramMatrix::add_row(const double* row) {
  for (std::int64_t a = 0; a < width_; ++a) {
    double* to = entries_.data() + a * width_;
    for (std::int64_t c = a; c < width_; ++c) to[c] += row[a] * row[c];
  }
}

void GramMatrix::multiply(const std::vector<double>& x, std::vector<double>& y) const {
  std::fill(y.begin(), y.end(), 0.0);
  for (std::int64_t a = 0; a < width_; ++a) {
    const auto row = static_cast<std::size_t>(a);
    y[row] += entries_[row * x.size() + row] * x[row];
    for (std::size_t c = row + 1; c < x.size(); ++c) {
      y[row] += entries_[row * x.size() + c] * x[c];
      y[c] += entries_[row * x.size() + c] * x[row];
    }
  }
}

double GramMatrix::operator_norm() const {
  std::vector<double> x(static_cast<std::size_t>(width_)), y(x.size());
  // Multiples of the golden ratio: a fixed vector without structure.
  for (std::size_t n = 0; n < x.size(); ++n)
    x[n] = std::fmod(0.6180339887498949 * static_cast<double>(n + 1), 1.0) - 0.3;
  double eigenvalue = 0;
  for (int step = 0; step < 2000; ++step) {
    const double length = norm_of(x);
    for (double& value : x) value /= length;
    multiply(x, y);
    const double next = norm_of(y);
    if (!(std::fabs(next - eigenvalue) > 1e-9 * next)) return std::sqrt(next);
    eigenvalue = next;
    x.swap(y);
  }
  return std::sqrt(eigenvalue);
}

}  // namespace subquad
