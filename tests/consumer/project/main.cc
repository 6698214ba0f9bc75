// A user's program: exact attention of 4 positions in one head of 2 channels, against a plain loop.
#include <array>
#include <cmath>
#include <cstdio>

#include "subquad/attention.h"

namespace {

constexpr int length = 4;
constexpr int channels = 2;
using Matrix = std::array<float, length * channels>;

constexpr Matrix query = {0.5F, -1.0F, 2.0F, 0.25F, -0.75F, 1.5F, 0.0F, 3.0F};
constexpr Matrix key = {1.0F, 0.5F, -2.0F, 1.0F, 0.25F, -0.5F, 1.5F, 2.0F};
constexpr Matrix value = {1.0F, 2.0F, -3.0F, 4.0F, 5.0F, -6.0F, 7.0F, 8.0F};

double weight(int i, int j) {
  double dot = 0;
  for (int c = 0; c < channels; ++c) {
    dot += static_cast<double>(query[i * channels + c]) * key[j * channels + c];
  }
  return std::exp(dot / std::sqrt(static_cast<double>(channels)));
}

double expected(int i, int c) {
  double total = 0;
  double sum = 0;
  for (int j = 0; j < length; ++j) {
    total += weight(i, j);
    sum += weight(i, j) * value[j * channels + c];
  }
  return sum / total;
}

Matrix attended() {
  constexpr subquad::Shape4 shape{1, 1, length, channels};
  subquad::Problem problem;
  problem.query = subquad::dense_view(query.data(), subquad::DType::f32, shape);
  problem.key = subquad::dense_view(key.data(), subquad::DType::f32, shape);
  problem.value = subquad::dense_view(value.data(), subquad::DType::f32, shape);
  Matrix out{};
  subquad::Outputs outputs;
  outputs.out = subquad::dense_view(out.data(), subquad::DType::f32, shape);
  subquad::attend(problem, "exact", outputs);
  return out;
}

}  // namespace

int main() {
  const Matrix out = attended();
  for (int i = 0; i < length; ++i) {
    for (int c = 0; c < channels; ++c) {
      const double wanted = expected(i, c);
      const double got = out[i * channels + c];
      if (!(std::fabs(got - wanted) <= 1e-5 * std::fabs(wanted) + 1e-5)) {
        std::printf("row %d, channel %d: %.9g, expected %.9g\n", i, c, got, wanted);
        return 1;
      }
    }
  }
  std::puts("subquad: attention as expected");
  return 0;
}
