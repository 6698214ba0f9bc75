#include "topk_peer.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

namespace bench {
namespace {

using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using SetThreads = void (*)(int);

constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

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

void softmax_row(float* row, std::int64_t count) {
  const float top = *std::max_element(row, row + count);
  float sum = 0;
  for (std::int64_t j = 0; j < count; ++j) {
    row[j] = std::exp(row[j] - top);
    sum += row[j];
  }
  const float factor = 1.0f / sum;
  for (std::int64_t j = 0; j < count; ++j) row[j] *= factor;
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
  softmax_row(memory.weights.data(), k);
  std::fill(out, out + d, 0.0f);
  for (std::size_t t = 0; t < memory.places.size(); ++t)
    for (std::int64_t c = 0; c < d; ++c)
      out[c] += memory.weights[t] * input.value[static_cast<std::size_t>(memory.places[t] * d + c)];
}

class OpenBlasFastKnn final : public FastKnn {
 public:
  OpenBlasFastKnn(Sgemm sgemm, SetThreads set_threads, int threads)
      : sgemm_(sgemm), threads_(threads) {
    set_threads(threads);
  }

  void run(const KnnInput& input, std::int64_t k, std::vector<float>& out) override {
    const int n = static_cast<int>(input.seq), d = static_cast<int>(input.head_dim);
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    scores_.resize(static_cast<std::size_t>(input.seq * input.seq));
    mask_.assign(scores_.size(), 0);
    sgemm_(kRowMajor, kNoTrans, kTrans, n, n, d, scale, input.query.data(), d, input.key.data(), d,
           0.0f, scores_.data(), n);
#pragma omp parallel num_threads(threads_)
    {
      std::vector<std::int32_t> places;
#pragma omp for schedule(static)
      for (std::int64_t i = 0; i < input.seq; ++i) mask_row(i, input.seq, k, places);
    }
    sgemm_(kRowMajor, kNoTrans, kNoTrans, n, d, n, 1.0f, scores_.data(), n, input.value.data(), d,
           0.0f, out.data(), d);
  }

 private:
  void mask_row(std::int64_t i, std::int64_t n, std::int64_t k, std::vector<std::int32_t>& places) {
    float* row = scores_.data() + i * n;
    std::uint8_t* mask = mask_.data() + i * n;
    topk_places(row, n, k, places);
    for (const std::int32_t place : places) mask[place] = 1;
    for (std::int64_t j = 0; j < n; ++j)
      row[j] = mask[j] != 0 ? row[j] : -std::numeric_limits<float>::max();
    softmax_row(row, n);
  }

  Sgemm sgemm_;
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
  // Debian's 0.3.21 does not know recent AMD cores and would take a kernel five times slower.
#if defined(__x86_64__)
  setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512f") ? "SkylakeX" : "Haswell", 0);
#endif
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  const auto set_threads = reinterpret_cast<SetThreads>(dlsym(library, "openblas_set_num_threads"));
  if (sgemm == nullptr || set_threads == nullptr) return nullptr;
  return std::make_shared<OpenBlasFastKnn>(sgemm, set_threads, threads);
}

}  // namespace bench
