#include "core/memory.h"

#include <map>
#include <mutex>
#include <new>

#include "subquad/attention.h"

namespace subquad {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::int64_t kSmallest = 4096;

thread_local MemoryMeter* current_meter = nullptr;

// Free blocks by size. Sizes are rounded so that blocks of similar requests serve each other.
class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }
  ~Pool() { release(); }

  void* take(std::int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto it = free_.find(bytes); it != free_.end()) {
        void* block = it->second;
        free_.erase(it);
        return block;
      }
    }
    return ::operator new(static_cast<std::size_t>(bytes), kAlignment);
  }
  void give(void* block, std::int64_t bytes) {
    const std::lock_guard lock(mutex_);
    free_.emplace(bytes, block);
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (const auto& [bytes, block] : free_) ::operator delete(block, kAlignment);
    free_.clear();
  }

 private:
  std::mutex mutex_;
  std::multimap<std::int64_t, void*> free_;
};

// Up to the next of eight steps between powers of two.
std::int64_t rounded(std::int64_t bytes) {
  std::int64_t step = kSmallest;
  while (step * 8 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

}  // namespace

void MemoryMeter::add(std::int64_t bytes) {
  const std::int64_t now = current_ += bytes;
  std::int64_t seen = peak_;
  while (now > seen && !peak_.compare_exchange_weak(seen, now)) {
  }
}

MemoryMeter* active_meter() { return current_meter; }
MeterScope::MeterScope(MemoryMeter* meter) : previous_(current_meter) { current_meter = meter; }
MeterScope::~MeterScope() { current_meter = previous_; }

ScratchBytes::ScratchBytes(std::int64_t bytes) : bytes_(rounded(bytes)), meter_(current_meter) {
  data_ = Pool::instance().take(bytes_);
  if (meter_ != nullptr) meter_->add(bytes_);
}

ScratchBytes::~ScratchBytes() {
  if (data_ == nullptr) return;
  if (meter_ != nullptr) meter_->remove(bytes_);
  Pool::instance().give(data_, bytes_);
}

void release_scratch() { Pool::instance().release(); }

}  // namespace subquad
