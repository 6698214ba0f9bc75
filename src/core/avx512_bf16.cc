#include "core/avx512_bf16.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#define SUBQUAD_DOT_CODE __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace subquad {
namespace {

constexpr int kChains = 16;
constexpr std::int64_t kRounds = 10'000;
constexpr int kTries = 9;
constexpr double kMargin = 1.3;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

SUBQUAD_DOT_CODE inline __m512 multiply_add(__m512 sum, __m512 a, __m512 b) {
  return _mm512_fmadd_ps(a, b, sum);
}
SUBQUAD_DOT_CODE inline __m512 add_dots(__m512 sum, __m512 a, __m512 b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

// Seconds of kChains * kRounds operations that do not wait for one another.
template <__m512 (*operation)(__m512, __m512, __m512)>
SUBQUAD_DOT_CODE double time_of() {
  __m512 sums[kChains] = {};
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));  // equal chains would be made one
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  const double start = seconds_now();
  for (std::int64_t k = 0; k < kRounds; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = operation(sums[i], a, b);
  }
  const double end = seconds_now();
  for (const __m512& sum : sums) asm volatile("" : : "v"(sum));
  return end - start;
}

bool measure() {
  double f32 = std::numeric_limits<double>::max(), dots = f32;
  for (int i = 0; i < kTries; ++i) {
    f32 = std::min(f32, time_of<multiply_add>());
    dots = std::min(dots, time_of<add_dots>());
  }
  return 2 * f32 > kMargin * dots;
}

}  // namespace

bool compiled_with_dots() { return true; }

bool machine_has_dots() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512bf16");
}

bool dots_pay() {
  static const bool pay = machine_has_dots() && measure();
  return pay;
}

}  // namespace subquad

#else

namespace subquad {

bool compiled_with_dots() { return false; }
bool machine_has_dots() { return false; }
bool dots_pay() { return false; }

}  // namespace subquad

#endif
