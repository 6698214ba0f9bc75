// Who may add to a block of rows next: sums over key blocks are taken in the order of the keys,
// whatever thread computes them, so that their bits do not depend on the thread count.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace subquad {

// One turn for each block of rows. Threads that wait must be waiting for work that is running.
class Turns {
 public:
  explicit Turns(std::int64_t count) : turns_(static_cast<std::size_t>(count)) {}

  void start(std::int64_t slot, std::int32_t turn) {
    at(slot).store(turn, std::memory_order_relaxed);
  }
  // Waits for the turn. Returns false if a thread has failed: the turn will never come.
  bool wait(std::int64_t slot, std::int32_t turn) {
    while (at(slot).load(std::memory_order_acquire) != turn) {
      if (failed_.load(std::memory_order_relaxed)) return false;
      std::this_thread::yield();
    }
    return true;
  }
  void pass_on(std::int64_t slot) { at(slot).fetch_add(1, std::memory_order_release); }
  // Calls function(); if it throws, those who wait are told. All work that others may wait for, and
  // what must precede it, runs in here.
  template <typename Function>
  auto guard(const Function& function) {
    try {
      return function();
    } catch (...) {
      failed_.store(true, std::memory_order_relaxed);
      throw;
    }
  }

 private:
  std::atomic<std::int32_t>& at(std::int64_t slot) {
    return turns_[static_cast<std::size_t>(slot)];
  }

  std::vector<std::atomic<std::int32_t>> turns_;
  std::atomic<bool> failed_{false};
};

}  // namespace subquad
