// Scratch memory: aligned, pooled for reuse (fresh pages are slow to touch) and metered.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace subquad {

// Counts the scratch bytes in use during one call and remembers the peak.
class MemoryMeter {
 public:
  void add(std::int64_t bytes);
  void remove(std::int64_t bytes) { current_ -= bytes; }
  std::int64_t peak() const { return peak_; }

 private:
  std::atomic<std::int64_t> current_{0};
  std::atomic<std::int64_t> peak_{0};
};

// The meter that this thread's scratch is counted on; parallel_for hands it to the workers.
MemoryMeter* active_meter();
class MeterScope {
 public:
  explicit MeterScope(MemoryMeter* meter);
  ~MeterScope();
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  MemoryMeter* previous_;
};

// Uninitialised bytes, aligned to 64, from a process-wide pool; back to the pool at the end.
class ScratchBytes {
 public:
  ScratchBytes() = default;
  explicit ScratchBytes(std::int64_t bytes);
  ~ScratchBytes();
  ScratchBytes(ScratchBytes&& other) noexcept { swap(other); }
  ScratchBytes& operator=(ScratchBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  void* data() const { return data_; }

 private:
  void swap(ScratchBytes& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(meter_, other.meter_);
  }

  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
  MemoryMeter* meter_ = nullptr;
};

// `count` uninitialised elements.
template <typename T>
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(std::int64_t count)
      : bytes_(count * static_cast<std::int64_t>(sizeof(T))), count_(count) {}
  T* data() { return static_cast<T*>(bytes_.data()); }
  const T* data() const { return static_cast<const T*>(bytes_.data()); }
  std::int64_t size() const { return count_; }
  T& operator[](std::int64_t i) { return data()[i]; }
  const T& operator[](std::int64_t i) const { return data()[i]; }
  std::span<T> span() { return {data(), static_cast<std::size_t>(count_)}; }
  std::span<const T> span() const { return {data(), static_cast<std::size_t>(count_)}; }

 private:
  ScratchBytes bytes_;
  std::int64_t count_ = 0;
};

}  // namespace subquad
