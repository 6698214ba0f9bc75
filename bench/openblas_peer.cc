// Exact attention as two sgemm calls and a softmax: what one writes on top of a BLAS.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "peer.h"

namespace bench {
namespace {

using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using SetThreads = void (*)(int);

constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

void softmax_row(float* row, std::int64_t seen, std::int64_t count) {
  float top = row[0];
  for (std::int64_t j = 1; j < seen; ++j) top = std::max(top, row[j]);
  float sum = 0;
  for (std::int64_t j = 0; j < seen; ++j) {
    row[j] = std::exp(row[j] - top);
    sum += row[j];
  }
  const float factor = 1.0f / sum;
  for (std::int64_t j = 0; j < seen; ++j) row[j] *= factor;
  std::fill(row + seen, row + count, 0.0f);
}

class OpenBlasPeer final : public Peer {
 public:
  OpenBlasPeer(Sgemm sgemm, SetThreads set_threads, const float* q, const float* k, const float* v,
               float* out)
      : sgemm_(sgemm), set_threads_(set_threads), q_(q), k_(k), v_(v), out_(out) {}

  std::string name() const override { return "openblas (unfused)"; }

  double run(const Shape& shape, int threads) override {
    scores_.resize(static_cast<std::size_t>(shape.seq * shape.seq));
    set_threads_(threads);
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t h = 0; h < shape.heads; ++h)
      run_head(shape, h * shape.seq * shape.head_dim, threads);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  void run_head(const Shape& shape, std::int64_t offset, int threads) {
    const int n = static_cast<int>(shape.seq), d = static_cast<int>(shape.head_dim);
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    sgemm_(kRowMajor, kNoTrans, kTrans, n, n, d, scale, q_ + offset, d, k_ + offset, d, 0.0f,
           scores_.data(), n);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t i = 0; i < shape.seq; ++i)
      softmax_row(scores_.data() + i * shape.seq, shape.causal ? i + 1 : shape.seq, shape.seq);
    sgemm_(kRowMajor, kNoTrans, kNoTrans, n, d, n, 1.0f, scores_.data(), n, v_ + offset, d, 0.0f,
           out_ + offset, d);
  }

  Sgemm sgemm_;
  SetThreads set_threads_;
  const float *q_, *k_, *v_;
  float* out_;
  std::vector<float> scores_;
};

}  // namespace

std::unique_ptr<Peer> make_openblas_peer(const float* query, const float* key, const float* value,
                                         float* out) {
  // Debian's 0.3.21 does not know recent AMD cores and would take a kernel five times slower.
#if defined(__x86_64__)
  setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512f") ? "SkylakeX" : "Haswell", 0);
#endif
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  const auto set_threads = reinterpret_cast<SetThreads>(dlsym(library, "openblas_set_num_threads"));
  if (sgemm == nullptr || set_threads == nullptr) return nullptr;
  return std::make_unique<OpenBlasPeer>(sgemm, set_threads, query, key, value, out);
}

}  // namespace bench
