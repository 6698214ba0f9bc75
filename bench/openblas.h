// What the peers take from OpenBLAS, which is opened at run time.
#pragma once

#include <cstdint>
#include <optional>

namespace bench {

class OpenBlas {
 public:
  // nullopt if libopenblas is not installed.
  static std::optional<OpenBlas> open();

  void set_threads(int threads) const { set_threads_(threads); }
  // Dense rows: C (m x n) = alpha A (m x k) B (k x n), or with B (n x k) transposed.
  void multiply(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                const float* b, float* c) const;
  void multiply_transposed(std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                           const float* a, const float* b, float* c) const;

 private:
  using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float* a, int lda, const float* b, int ldb, float beta, float* c,
                         int ldc);
  using SetThreads = void (*)(int);
  OpenBlas(Sgemm sgemm, SetThreads set_threads) : sgemm_(sgemm), set_threads_(set_threads) {}

  Sgemm sgemm_;
  SetThreads set_threads_;
};

// Softmax over the first `seen` of a row's scores; the others become 0.
void softmax_row(float* row, std::int64_t seen, std::int64_t count);

}  // namespace bench
