// Parallel loops over independent work items, with exceptions carried out.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

#include "core/memory.h"
#include "core/thread_pool.h"

namespace subquad {

// Throws Error (invalid_argument) below 0, which is the default.
void check_threads(int requested);

// The thread count in force: `requested`, or the default for 0; no more than the pool has.
inline int resolved_threads(int requested) {
  return std::min(requested > 0 ? requested : default_threads(), kMostThreads);
}

// Keeps the first exception of a parallel region.
class ExceptionCarrier {
 public:
  template <typename Function>
  void run(const Function& function) noexcept {
    if (stopped_.load(std::memory_order_relaxed)) return;
    try {
      function();
    } catch (...) {
      if (!stopped_.exchange(true)) exception_ = std::current_exception();
    }
  }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> stopped_{false};
  std::exception_ptr exception_;
};

// Runs make_worker() once on each thread and the result worker(item) for every item in [0, count),
// handed out in order. Workers own their scratch; items must not depend on each other or on the
// thread that runs them.
template <typename MakeWorker>
void parallel_workers(int threads, std::int64_t count, const MakeWorker& make_worker) {
  if (count <= 0) return;
  ExceptionCarrier carrier;
  std::atomic<std::int64_t> next{0};
  MemoryMeter* meter = active_meter();
  const auto work = [&] {
    if (next.load(std::memory_order_relaxed) >= count) return;  // came too late
    const MeterScope scope(meter);
    auto worker = make_worker();
    for (std::int64_t item = next++; item < count && !carrier.stopped(); item = next++)
      worker(item);
  };
  run_team(threads, count, [&] { carrier.run(work); });
  carrier.rethrow();
}

template <typename Function>
void parallel_for(int threads, std::int64_t count, const Function& function) {
  parallel_workers(threads, count, [&] { return [&](std::int64_t item) { function(item); }; });
}

}  // namespace subquad
