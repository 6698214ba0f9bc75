// Threads that exchange data across barriers, reductions and critical sections only: no race.
#include <cstdio>
#include <cstdlib>
#include <vector>

int main() {
  constexpr int n = 1000;
  std::vector<double> values(n);
  double total = 0;
  double reduced = 0;
#pragma omp parallel num_threads(4)
  {
#pragma omp for schedule(dynamic, 16)
    for (int i = 0; i < n; ++i) values[static_cast<std::size_t>(i)] = i;
#pragma omp for schedule(static) reduction(+ : reduced)
    for (int i = 0; i < n; ++i) reduced += values[static_cast<std::size_t>(n - 1 - i)];
#pragma omp critical
    total += reduced;
  }
  std::printf("%g\n", total);
  return total == 4.0 * n * (n - 1) / 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
