#include "topk_peer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

#include "openblas.h"

namespace bench {
namespace {

float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += a[c] * b[c];
  return sum;
}

// The k largest of a row, as torch.topk gives them: their places.
void topk_places(const float* row, std::int64_t n, std::int64_t k,
                 std::vector<std::int32_t>& places) {
  places.resize(static_cast<std::size_t>(n));
  std::iota(places.begin(), places.end(), 0);
  std::nth_element(places.begin(), places.begin() + (k - 1), places.end(),
                   [row](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
  places.resize(static_cast<std::size_t>(k));
}

// What one query of the slow version needs.
struct Gathered {
  std::vector<float> scores, weights;
  std::vector<std::int32_t> places;
};

void slow_row(const KnnInput& input, std::int64_t k, std::int64_t i, Gathered& memory, float* out) {
  const std::int64_t d = input.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  memory.scores.resize(static_cast<std::size_t>(input.seq));
  for (std::int64_t j = 0; j < input.seq; ++j)
    memory.scores[static_cast<std::size_t>(j)] =
        scale * dot(input.query.data() + i * d, input.key.data() + j * d, d);
  topk_places(memory.scores.data(), input.seq, k, memory.places);
  memory.weights.clear();
  for (const std::int32_t place : memory.places)
    memory.weights.push_back(memory.scores[static_cast<std::size_t>(place)]);
  softmax_row(memory.weights.data(), k, k);
  std::fill(out, out + d, 0.0f);
  for (std::size_t t = 0; t < memory.places.size(); ++t)
    for (std::int64_t c = 0; c < d; ++c)
      out[c] += memory.weights[t] * input.value[static_cast<std::size_t>(memory.places[t] * d + c)];
}

class OpenBlasFastKnn final : public FastKnn {
 public:
  OpenBlasFastKnn(const OpenBlas& blas, int threads) : blas_(blas), threads_(threads) {
    blas_.set_threads(threads);
  }

  void run(const KnnInput& input, std::int64_t k, std::vector<float>& out) override {
    const std::int64_t n = input.seq, d = input.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    scores_.resize(static_cast<std::size_t>(n * n));
    mask_.assign(scores_.size(), 0);
    blas_.multiply_transposed(n, n, d, scale, input.query.data(), input.key.data(), scores_.data());
#pragma omp parallel num_threads(threads_)
    {
      std::vector<std::int32_t> places;
#pragma omp for schedule(static)
      for (std::int64_t i = 0; i < n; ++i) mask_row(i, n, k, places);
    }
    blas_.multiply(n, d, n, 1.0f, scores_.data(), input.value.data(), out.data());
  }

 private:
  void mask_row(std::int64_t i, std::int64_t n, std::int64_t k, std::vector<std::int32_t>& places) {
    float* row = scores_.data() + i * n;
    std::uint8_t* mask = mask_.data() + i * n;
    topk_places(row, n, k, places);
    for (const std::int32_t place : places) mask[place] = 1;
    for (std::int64_t j = 0; j < n; ++j)
      row[j] = mask[j] != 0 ? row[j] : -std::numeric_limits<float>::max();
    softmax_row(row, n, n);
  }

  OpenBlas blas_;
  int threads_;
  std::vector<float> scores_;
  std::vector<std::uint8_t> mask_;
};

}  // namespace

KnnInput normal_input(std::int64_t seq, std::int64_t head_dim) {
  KnnInput input{seq, head_dim, {}, {}, {}};
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (std::vector<float>* rows : {&input.query, &input.key, &input.value}) {
    rows->resize(static_cast<std::size_t>(seq * head_dim));
    for (float& x : *rows) x = normal(generator);
  }
  return input;
}

std::vector<double> plain_topk_row(const KnnInput& input, std::int64_t k, std::int64_t i) {
  const std::int64_t d = input.head_dim;
  std::vector<std::pair<double, std::int64_t>> entries;
  for (std::int64_t j = 0; j < input.seq; ++j) {
    double sum = 0;
    for (std::int64_t c = 0; c < d; ++c)
      sum += double{input.query[static_cast<std::size_t>(i * d + c)]} *
             double{input.key[static_cast<std::size_t>(j * d + c)]};
    entries.emplace_back(sum / std::sqrt(static_cast<double>(d)), j);
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  entries.resize(static_cast<std::size_t>(k));
  std::vector<double> out(static_cast<std::size_t>(d), 0.0);
  double total = 0;
  for (const auto& [score, j] : entries) {
    const double weight = std::exp(score - entries.front().first);
    total += weight;
    for (std::int64_t c = 0; c < d; ++c)
      out[static_cast<std::size_t>(c)] +=
          weight * double{input.value[static_cast<std::size_t>(j * d + c)]};
  }
  for (double& x : out) x /= total;
  return out;
}

void slow_knn(const KnnInput& input, std::int64_t k, int threads, std::vector<float>& out) {
#pragma omp parallel num_threads(threads)
  {
    Gathered memory;
#pragma omp for schedule(static)
    for (std::int64_t i = 0; i < input.seq; ++i)
      slow_row(input, k, i, memory, out.data() + i * input.head_dim);
  }
}

std::shared_ptr<FastKnn> make_fast_knn(int threads) {
  const std::optional<OpenBlas> blas = OpenBlas::open();
  return blas ? std::make_shared<OpenBlasFastKnn>(*blas, threads) : nullptr;
}

}  // namespace bench
