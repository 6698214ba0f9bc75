// Threads add to one variable without synchronisation: the sanitizer must report it.
#include <cstdio>

int main() {
  double total = 0;
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < 1000; ++i) total += i;
  std::printf("%g\n", total);
  return 0;
}
