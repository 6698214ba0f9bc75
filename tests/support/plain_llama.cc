#include "support/plain_llama.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <fstream>

#include <fmt/format.h>

#include "support/draw.h"

namespace subquad::testing {
namespace {

using DoubleRow = std::vector<double>;

template <typename T>
void put(std::ofstream& file, const T& value) {
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

// Matrix `layer` of a tensor (.., out, in), times x.
DoubleRow times(const std::vector<float>& tensor, std::int64_t layer, std::int64_t out,
                const DoubleRow& x) {
  const std::int64_t in = std::ssize(x);
  DoubleRow y(static_cast<std::size_t>(out));
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t i = 0; i < in; ++i)
      y[static_cast<std::size_t>(o)] +=
          static_cast<double>(tensor[static_cast<std::size_t>((layer * out + o) * in + i)]) *
          x[static_cast<std::size_t>(i)];
  return y;
}

DoubleRow plain_norm(const DoubleRow& x, const std::vector<float>& weight, std::int64_t layer) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  DoubleRow y;
  for (std::size_t c = 0; c < x.size(); ++c)
    y.push_back(x[c] / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5) *
                static_cast<double>(weight[static_cast<std::size_t>(layer) * x.size() + c]));
  return y;
}

void add_to(DoubleRow& x, const DoubleRow& y) {
  for (std::size_t c = 0; c < y.size(); ++c) x[c] += y[c];
}

// Turns every head of a row.
void turn(const PlainLlama& model, std::size_t position, DoubleRow& row) {
  const std::size_t pairs = model.angles.size();
  for (std::size_t start = 0; start < row.size(); start += RandomLlama::head_dim)
    for (std::size_t i = 0; i < pairs; ++i) {
      double& a = row[start + (model.halves ? i : 2 * i)];
      double& b = row[start + (model.halves ? i + pairs : 2 * i + 1)];
      const auto turned =
          std::complex(a, b) *
          std::polar(model.magnitude, model.angles[i] * static_cast<double>(position));
      a = turned.real();
      b = turned.imag();
    }
}

// Row t of causal attention, all heads.
DoubleRow attend_row(const DoubleRows& q, const DoubleRows& k, const DoubleRows& v, std::size_t t) {
  const std::size_t dim = RandomLlama::head_dim, group = RandomLlama::heads / RandomLlama::kv_heads;
  DoubleRow out(RandomLlama::heads * dim);
  for (std::size_t h = 0; h < RandomLlama::heads; ++h) {
    const std::size_t from = h / group * dim;
    DoubleRow weight;
    double sum = 0;
    for (std::size_t j = 0; j <= t; ++j) {
      double score = 0;
      for (std::size_t c = 0; c < dim; ++c) score += q[t][h * dim + c] * k[j][from + c];
      weight.push_back(std::exp(score / std::sqrt(static_cast<double>(dim))));
      sum += weight.back();
    }
    for (std::size_t j = 0; j <= t; ++j)
      for (std::size_t c = 0; c < dim; ++c) out[h * dim + c] += weight[j] / sum * v[j][from + c];
  }
  return out;
}

DoubleRow feed_forward(const std::map<std::string, std::vector<float>>& tensors, std::int64_t layer,
                       const DoubleRow& x) {
  const DoubleRow normed = plain_norm(x, tensors.at("ffn_norm"), layer);
  DoubleRow gate = times(tensors.at("w1"), layer, RandomLlama::hidden, normed);
  const DoubleRow up = times(tensors.at("w3"), layer, RandomLlama::hidden, normed);
  for (std::size_t c = 0; c < gate.size(); ++c) gate[c] *= up[c] / (1 + std::exp(-gate[c]));
  return times(tensors.at("w2"), layer, RandomLlama::width, gate);
}

}  // namespace

RandomLlama::RandomLlama(std::uint64_t seed) {
  Draw draw(seed);
  const auto add = [&](const std::string& name, std::int64_t count, double mean, double spread) {
    std::vector<float>& values = tensors[name];
    for (std::int64_t i = 0; i < count; ++i)
      values.push_back(static_cast<float>(mean + spread * draw.normal()));
  };
  add("embedding", vocabulary * width, 0, 0.7);
  add("attention_norm", layers * width, 1, 0.2);
  add("wq", layers * heads * head_dim * width, 0, 0.4);
  add("wk", layers * kv_heads * head_dim * width, 0, 0.4);
  add("wv", layers * kv_heads * head_dim * width, 0, 0.3);
  add("wo", layers * width * heads * head_dim, 0, 0.3);
  add("ffn_norm", layers * width, 1, 0.2);
  add("w1", layers * hidden * width, 0, 0.4);
  add("w2", layers * width * hidden, 0, 0.4);
  add("w3", layers * hidden * width, 0, 0.4);
  add("final_norm", width, 1, 0.2);
}

void RandomLlama::write(const std::string& path) const {
  std::ofstream file(path, std::ios::binary);
  for (const std::int64_t number : {width, hidden, layers, heads, kv_heads, vocabulary, context})
    put(file, static_cast<std::int32_t>(number));
  for (const char* name : {"embedding", "attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1",
                           "w2", "w3", "final_norm"})
    for (const float value : tensors.at(name)) put(file, value);
  const std::vector<float> angles(static_cast<std::size_t>(context * head_dim), 0.0F);
  for (const float value : angles) put(file, value);
}

void RandomLlama::write_tokenizer(const std::string& path) {
  std::vector<std::string> pieces{"<unk>", "\n<s>\n", "\n</s>\n"};
  for (int byte = 0; byte < 256; ++byte) pieces.push_back(fmt::format("<0x{:02X}>", byte));
  for (const char* piece : {" ", "a", "b", "c", " a", "ab", "abc", "e", "t", "th", "the"})
    pieces.emplace_back(piece);
  std::ofstream file(path, std::ios::binary);
  put(file, std::int32_t{8});
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    put(file, id < 259 ? 0.0F : -static_cast<float>(id));
    put(file, static_cast<std::int32_t>(pieces[id].size()));
    file.write(pieces[id].data(), std::ssize(pieces[id]));
  }
}

std::vector<double> PlainLlama::default_angles() {
  std::vector<double> angles;
  for (int i = 0; i < RandomLlama::head_dim / 2; ++i)
    angles.push_back(std::pow(10'000.0, -2.0 * i / static_cast<double>(RandomLlama::head_dim)));
  return angles;
}

DoubleRows PlainLlama::states(const std::vector<std::int32_t>& tokens) const {
  const auto& tensors = weights.tensors;
  const std::int64_t keys = RandomLlama::kv_heads * RandomLlama::head_dim;
  DoubleRows x;
  for (const std::int32_t token : tokens) {
    const float* row = tensors.at("embedding").data() + token * RandomLlama::width;
    x.emplace_back(row, row + RandomLlama::width);
  }
  for (std::int64_t layer = 0; layer < RandomLlama::layers; ++layer) {
    const auto at = static_cast<std::size_t>(layer);
    DoubleRows q, k, v;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const DoubleRow normed = plain_norm(x[t], tensors.at("attention_norm"), layer);
      q.push_back(
          times(tensors.at("wq"), layer, RandomLlama::heads * RandomLlama::head_dim, normed));
      k.push_back(times(tensors.at("wk"), layer, keys, normed));
      v.push_back(times(tensors.at("wv"), layer, keys, normed));
      if (!query_bias.empty()) add_to(q[t], query_bias[at]);
      if (!key_bias.empty()) add_to(k[t], key_bias[at]);
      if (!value_bias.empty()) add_to(v[t], value_bias[at]);
      turn(*this, t, q[t]);
      turn(*this, t, k[t]);
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      add_to(x[t], times(tensors.at("wo"), layer, RandomLlama::width, attend_row(q, k, v, t)));
      add_to(x[t], feed_forward(tensors, layer, x[t]));
    }
  }
  for (DoubleRow& row : x) row = plain_norm(row, tensors.at("final_norm"), 0);
  return x;
}

std::vector<double> PlainLlama::logits(const std::vector<double>& state) const {
  return times(weights.tensors.at("embedding"), 0, RandomLlama::vocabulary, state);
}

}  // namespace subquad::testing
