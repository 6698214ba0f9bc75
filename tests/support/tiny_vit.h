// A random vision transformer of two blocks: its weights, and its forward in plain double loops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace subquad::testing {

struct TinyVit {
  static constexpr std::int64_t dim = 24, heads = 2, hidden = 40, patch = 4, grid = 3, classes = 7,
                                depth = 2;
  struct Values {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  std::map<std::string, Values> tensors;

  explicit TinyVit(std::uint64_t seed);

  void write(const std::string& path) const;
  const std::vector<float>& at(const std::string& name) const { return tensors.at(name).values; }
};

using Matrix = std::vector<std::vector<double>>;  // rows of channels

// The double model. `hide(block, scores of a row)` may set entries to -inf; temperature[block]
// divides the scores.
class PlainVit {
 public:
  using Hide = std::function<void(std::int64_t, std::vector<double>&)>;

  explicit PlainVit(const TinyVit& weights) : weights_(weights) {}

  Hide hide;
  std::vector<double> temperature = std::vector<double>(TinyVit::depth, 1.0);
  std::vector<Matrix> outputs;                     // tokens after each block of the last forward
  std::vector<double> attention_ratio, mlp_ratio;  // |f(x)|_F / |x|_F likewise
  std::vector<double> weight_std;  // mean over heads and rows of the weights' deviation, likewise

  // pixels (3, size, size).
  std::vector<double> forward(const float* pixels, std::int64_t size);

  // Trained position embeddings at to x to patches: Keys' cubic, a = -0.75, 16 taps, edges
  // clamped. The class token's comes first.
  Matrix positions(std::int64_t to) const;

 private:
  static double cubic(double t);

  std::vector<double> position(std::int64_t token) const;

  std::vector<double> position_at(std::int64_t y, std::int64_t x, std::int64_t to) const;

  Matrix linear(const Matrix& x, const std::string& name) const;

  Matrix norm(const Matrix& x, const std::string& name) const;

  // x += f; returns |f| / |x| of before.
  static double add(Matrix& x, const Matrix& f);

  Matrix embed(const float* pixels, std::int64_t size) const;

  std::vector<double> weights_of(const Matrix& qkv, std::size_t i, std::size_t head,
                                 std::int64_t block) const;

  Matrix attention(const Matrix& qkv, std::int64_t block);

  const TinyVit& weights_;
};

}  // namespace subquad::testing
