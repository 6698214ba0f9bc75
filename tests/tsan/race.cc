// Threads add to one variable without synchronisation: the sanitizer must report it.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>

#include "core/threads.h"

int main() {
  double total = 0;
  subquad::parallel_for(4, 100, [&](std::int64_t item) {
    total += static_cast<double>(item);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that others come
  });
  std::printf("%g\n", total);
  return 0;
}
