#include "support/tiny_vit.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "subquad/io.h"
#include "support/draw.h"

namespace subquad::testing {

TinyVit::TinyVit(std::uint64_t seed) {
  Draw draw(seed);
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, double spread,
                       double centre) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) count *= extent;
    Values values{std::move(shape), {}};
    for (std::int64_t i = 0; i < count; ++i)
      values.values.push_back(static_cast<float>(centre + spread * draw.normal()));
    tensors[name] = std::move(values);
  };
  const auto linear = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const std::int64_t outputs = shape[0];
    add(name + ".weight", std::move(shape), 0.3, 0);
    add(name + ".bias", {outputs}, 0.2, 0);
  };
  const auto norm = [&](const std::string& name) {
    add(name + ".weight", {dim}, 0.2, 1);
    add(name + ".bias", {dim}, 0.2, 0);
  };
  linear("patch_embed.proj", {dim, 3, patch, patch});
  add("cls_token", {1, 1, dim}, 0.5, 0);
  add("pos_embed", {1, 1 + grid * grid, dim}, 0.5, 0);
  for (std::int64_t b = 0; b < depth; ++b) {
    const std::string prefix = "blocks." + std::to_string(b);
    norm(prefix + ".norm1");
    norm(prefix + ".norm2");
    linear(prefix + ".attn.qkv", {3 * dim, dim});
    linear(prefix + ".attn.proj", {dim, dim});
    linear(prefix + ".mlp.fc1", {hidden, dim});
    linear(prefix + ".mlp.fc2", {dim, hidden});
  }
  norm("norm");
  linear("head", {classes, dim});
}

void TinyVit::write(const std::string& path) const {
  std::vector<io::Tensor> list;
  for (const auto& [name, tensor] : tensors)
    list.push_back({name, io::ElementType::f32, tensor.shape, tensor.values.data()});
  io::write_file(path, list);
}

std::vector<double> PlainVit::forward(const float* pixels, std::int64_t size) {
  Matrix x = embed(pixels, size);
  outputs.clear(), attention_ratio.clear(), mlp_ratio.clear(), weight_std.clear();
  for (std::int64_t b = 0; b < TinyVit::depth; ++b) {
    const std::string prefix = "blocks." + std::to_string(b);
    const Matrix joined = attention(linear(norm(x, prefix + ".norm1"), prefix + ".attn.qkv"), b);
    attention_ratio.push_back(add(x, linear(joined, prefix + ".attn.proj")));
    Matrix wide = linear(norm(x, prefix + ".norm2"), prefix + ".mlp.fc1");
    for (auto& row : wide)
      for (double& value : row) value = 0.5 * value * (1 + std::erf(value / std::sqrt(2.0)));
    mlp_ratio.push_back(add(x, linear(wide, prefix + ".mlp.fc2")));
    outputs.push_back(x);
  }
  return linear(norm({x[0]}, "norm"), "head")[0];
}

Matrix PlainVit::positions(std::int64_t to) const {
  Matrix result{position(0)};
  for (std::int64_t y = 0; y < to; ++y)
    for (std::int64_t x = 0; x < to; ++x) result.push_back(position_at(y, x, to));
  return result;
}

double PlainVit::cubic(double t) {
  const double a = -0.75;
  t = std::fabs(t);
  if (t <= 1) return (a + 2) * t * t * t - (a + 3) * t * t + 1;
  return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0;
}

std::vector<double> PlainVit::position(std::int64_t token) const {
  const std::vector<float>& all = weights_.at("pos_embed");
  return {all.begin() + token * TinyVit::dim, all.begin() + (token + 1) * TinyVit::dim};
}

std::vector<double> PlainVit::position_at(std::int64_t y, std::int64_t x, std::int64_t to) const {
  if (to == TinyVit::grid) return position(1 + TinyVit::grid * y + x);
  const double step = static_cast<double>(TinyVit::grid) / static_cast<double>(to);
  const double cy = (static_cast<double>(y) + 0.5) * step - 0.5,
               cx = (static_cast<double>(x) + 0.5) * step - 0.5;
  std::vector<double> sum(TinyVit::dim, 0.0);
  for (std::int64_t j = -8; j < 8; ++j)
    for (std::int64_t i = -8; i < 8; ++i) {
      const double weight = cubic(cy - static_cast<double>(j)) * cubic(cx - static_cast<double>(i));
      const std::int64_t row = std::clamp<std::int64_t>(j, 0, TinyVit::grid - 1);
      const std::int64_t column = std::clamp<std::int64_t>(i, 0, TinyVit::grid - 1);
      const std::vector<double> value = position(1 + TinyVit::grid * row + column);
      for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weight * value[c];
    }
  return sum;
}

Matrix PlainVit::linear(const Matrix& x, const std::string& name) const {
  const std::vector<float>& weight = weights_.at(name + ".weight");
  const std::vector<float>& bias = weights_.at(name + ".bias");
  Matrix out;
  for (const auto& row : x) {
    out.emplace_back(bias.begin(), bias.end());
    for (std::size_t o = 0; o < bias.size(); ++o)
      for (std::size_t i = 0; i < row.size(); ++i)
        out.back()[o] += static_cast<double>(weight[o * row.size() + i]) * row[i];
  }
  return out;
}

Matrix PlainVit::norm(const Matrix& x, const std::string& name) const {
  Matrix out = x;
  for (auto& row : out) {
    double mean = 0, variance = 0;
    for (const double value : row) mean += value / TinyVit::dim;
    for (const double value : row) variance += (value - mean) * (value - mean) / TinyVit::dim;
    for (std::size_t c = 0; c < row.size(); ++c)
      row[c] = (row[c] - mean) / std::sqrt(variance + 1e-6) *
                   static_cast<double>(weights_.at(name + ".weight")[c]) +
               static_cast<double>(weights_.at(name + ".bias")[c]);
  }
  return out;
}

double PlainVit::add(Matrix& x, const Matrix& f) {
  double main = 0, branch = 0;
  for (std::size_t r = 0; r < x.size(); ++r)
    for (std::size_t c = 0; c < x[r].size(); ++c) {
      main += x[r][c] * x[r][c];
      branch += f[r][c] * f[r][c];
      x[r][c] += f[r][c];
    }
  return std::sqrt(branch / main);
}

Matrix PlainVit::embed(const float* pixels, std::int64_t size) const {
  const std::int64_t across = size / TinyVit::patch;
  Matrix patches;
  for (std::int64_t y = 0; y < across; ++y)
    for (std::int64_t x = 0; x < across; ++x) {
      patches.emplace_back();
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t j = 0; j < TinyVit::patch; ++j)
          for (std::int64_t i = 0; i < TinyVit::patch; ++i)
            patches.back().push_back(static_cast<double>(
                pixels[(c * size + y * TinyVit::patch + j) * size + x * TinyVit::patch + i]));
    }
  Matrix x = linear(patches, "patch_embed.proj");
  const std::vector<float>& token = weights_.at("cls_token");
  x.insert(x.begin(), std::vector<double>(token.begin(), token.end()));
  const Matrix where = positions(across);
  for (std::size_t r = 0; r < x.size(); ++r)
    for (std::size_t c = 0; c < x[r].size(); ++c) x[r][c] += where[r][c];
  return x;
}

std::vector<double> PlainVit::weights_of(const Matrix& qkv, std::size_t i, std::size_t head,
                                         std::int64_t block) const {
  const std::size_t width = TinyVit::dim / TinyVit::heads;
  std::vector<double> scores;
  for (const auto& other : qkv) {
    double dot = 0;
    for (std::size_t c = 0; c < width; ++c)
      dot += qkv[i][head * width + c] * other[TinyVit::dim + head * width + c];
    scores.push_back(dot / std::sqrt(static_cast<double>(width)) /
                     temperature[static_cast<std::size_t>(block)]);
  }
  if (hide) hide(block, scores);
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - top);
  for (double& score : scores) score /= sum;
  return scores;
}

Matrix PlainVit::attention(const Matrix& qkv, std::int64_t block) {
  const std::size_t width = TinyVit::dim / TinyVit::heads, n = qkv.size();
  Matrix out(n, std::vector<double>(TinyVit::dim, 0.0));
  double deviation = 0;
  for (std::size_t head = 0; head < TinyVit::heads; ++head)
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<double> weights = weights_of(qkv, i, head, block);
      double square = 0;
      for (std::size_t j = 0; j < n; ++j) {
        square += std::pow(weights[j] - 1 / static_cast<double>(n), 2);
        for (std::size_t c = 0; c < width; ++c)
          out[i][head * width + c] += weights[j] * qkv[j][2 * TinyVit::dim + head * width + c];
      }
      deviation += std::sqrt(square / static_cast<double>(n));
    }
  weight_std.push_back(deviation / static_cast<double>(TinyVit::heads * n));
  return out;
}

}  // namespace subquad::testing
