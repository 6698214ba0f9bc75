#include "openblas.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace bench {
namespace {

constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

}  // namespace

std::optional<OpenBlas> OpenBlas::open() {
  // Debian's 0.3.21 does not know recent AMD cores and would take a kernel five times slower.
#if defined(__x86_64__)
  setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512f") ? "SkylakeX" : "Haswell", 0);
#endif
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  const auto set_threads = reinterpret_cast<SetThreads>(dlsym(library, "openblas_set_num_threads"));
  if (sgemm == nullptr || set_threads == nullptr) return {};
  return OpenBlas(sgemm, set_threads);
}

void OpenBlas::multiply(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                        const float* b, float* c) const {
  const int columns = static_cast<int>(n), inner = static_cast<int>(k);
  sgemm_(kRowMajor, kNoTrans, kNoTrans, static_cast<int>(m), columns, inner, alpha, a, inner, b,
         columns, 0.0f, c, columns);
}

void OpenBlas::multiply_transposed(std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                                   const float* a, const float* b, float* c) const {
  const int columns = static_cast<int>(n), inner = static_cast<int>(k);
  sgemm_(kRowMajor, kNoTrans, kTrans, static_cast<int>(m), columns, inner, alpha, a, inner, b,
         inner, 0.0f, c, columns);
}

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

}  // namespace bench
