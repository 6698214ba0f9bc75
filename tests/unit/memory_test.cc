// Scratch memory: alignment, reuse, and the meter.
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory.h"
#include "core/threads.h"
#include "subquad/attention.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t mebibyte = 1 << 20;

TEST(Memory, IsAligned) {
  for (const std::int64_t bytes : {1, 63, 64, 4097, 100'000, 3'000'001}) {
    const ScratchBytes scratch(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(scratch.data()) % 64, 0U) << bytes;
  }
}

TEST(Memory, EveryByteIsUsable) {
  for (const std::int64_t count : {1, 1000, 1025, 70'001}) {
    Scratch<std::uint8_t> scratch(count);
    EXPECT_EQ(scratch.size(), count);
    for (std::int64_t i = 0; i < count; ++i) scratch[i] = static_cast<std::uint8_t>(i);
    for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(scratch[i], static_cast<std::uint8_t>(i));
  }
}

TEST(Memory, IsReusedAndReleased) {
  release_scratch();
  const void* first = ScratchBytes(5 * mebibyte).data();
  const ScratchBytes again(5 * mebibyte);
  EXPECT_EQ(again.data(), first);
  const ScratchBytes other(5 * mebibyte);  // the pooled block is taken
  EXPECT_NE(other.data(), first);
}

TEST(Memory, SimilarSizesShareABlock) {
  release_scratch();
  const void* first = ScratchBytes(5 * mebibyte).data();
  const ScratchBytes smaller(5 * mebibyte - 1000);
  EXPECT_EQ(smaller.data(), first);
}

TEST(Memory, HeldBlocksAreDistinct) {
  std::vector<Scratch<std::int64_t>> blocks;
  for (std::int64_t i = 0; i < 50; ++i) {
    blocks.emplace_back(1000);
    std::fill_n(blocks.back().data(), 1000, i);
  }
  release_scratch();  // held blocks are not the pool's to give away
  for (std::int64_t i = 0; i < 50; ++i)
    for (const std::int64_t value : blocks[static_cast<std::size_t>(i)].span()) ASSERT_EQ(value, i);
}

TEST(Memory, MovesKeepTheBlock) {
  Scratch<int> first(10);
  first[3] = 7;
  const int* data = first.data();
  Scratch<int> second(std::move(first));
  EXPECT_EQ(second.data(), data);
  Scratch<int> third(20);
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third[3], 7);
  EXPECT_EQ(third.size(), 10);
}

TEST(Memory, MeterKeepsThePeak) {
  MemoryMeter meter;
  const MeterScope scope(&meter);
  EXPECT_EQ(meter.peak(), 0);
  { const ScratchBytes one(mebibyte); }
  EXPECT_EQ(meter.peak(), mebibyte);
  {
    const ScratchBytes one(mebibyte), two(2 * mebibyte);
    EXPECT_EQ(meter.peak(), 3 * mebibyte);
  }
  const ScratchBytes again(2 * mebibyte);
  EXPECT_EQ(meter.peak(), 3 * mebibyte);
}

TEST(Memory, MeterCountsMovedBlocksOnce) {
  MemoryMeter meter;
  const MeterScope scope(&meter);
  ScratchBytes block(mebibyte);
  {
    ScratchBytes moved(std::move(block));
    ScratchBytes target;
    target = std::move(moved);
  }
  const ScratchBytes next(mebibyte);
  EXPECT_EQ(meter.peak(), mebibyte);
}

TEST(Memory, MeterRoundsUpByAtMostAnEighth) {
  for (std::int64_t bytes = 1; bytes < 40 * mebibyte; bytes = bytes * 3 / 2 + 1) {
    MemoryMeter meter;
    const MeterScope scope(&meter);
    const ScratchBytes block(bytes);
    EXPECT_GE(meter.peak(), bytes);
    EXPECT_LE(meter.peak(), bytes + std::max<std::int64_t>(4096, bytes / 4)) << bytes;
  }
}

TEST(Memory, ScopesNest) {
  MemoryMeter outer, inner;
  EXPECT_EQ(active_meter(), nullptr);
  {
    const MeterScope a(&outer);
    EXPECT_EQ(active_meter(), &outer);
    {
      const MeterScope b(&inner);
      EXPECT_EQ(active_meter(), &inner);
    }
    EXPECT_EQ(active_meter(), &outer);
  }
  EXPECT_EQ(active_meter(), nullptr);
}

// All threads hold their block at once: the peak is their sum, whatever the order.
TEST(Memory, MeterAddsUpThreads) {
  constexpr int count = 6;
  MemoryMeter meter;
  std::atomic<int> holding{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&] {
      const MeterScope scope(&meter);
      const ScratchBytes block(mebibyte);
      ++holding;
      while (holding < count) std::this_thread::yield();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(meter.peak(), count * mebibyte);
}

TEST(Memory, WorkersInheritTheMeter) {
  MemoryMeter meter;
  const MeterScope scope(&meter);
  std::atomic<int> wrong{0};
  parallel_for(4, 100, [&](std::int64_t) { wrong += active_meter() == &meter ? 0 : 1; });
  EXPECT_EQ(wrong, 0);
  parallel_for(1, 1, [&](std::int64_t) { const ScratchBytes block(7 * mebibyte); });
  EXPECT_EQ(meter.peak(), 7 * mebibyte);
}

// The blocks of many threads come back whole: no block is ever in two hands.
TEST(Memory, PoolIsThreadSafe) {
  std::atomic<int> clashes{0};
  parallel_for(7, 2000, [&](std::int64_t item) {
    Scratch<std::int64_t> block(512 + item % 3 * 512);
    std::fill_n(block.data(), block.size(), item);
    for (const std::int64_t value : block.span()) clashes += value == item ? 0 : 1;
  });
  EXPECT_EQ(clashes, 0);
}

}  // namespace
}  // namespace subquad::testing
