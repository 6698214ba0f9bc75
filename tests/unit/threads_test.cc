// Parallel loops: every item once, exceptions carried out.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/threads.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

TEST(Threads, EveryItemOnce) {
  for (int threads = 1; threads <= 7; ++threads)
    for (const std::int64_t count : {0, 1, 2, 6, 1000}) {
      std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
      parallel_for(threads, count,
                   [&](std::int64_t item) { ++times[static_cast<std::size_t>(item)]; });
      for (const auto& n : times) ASSERT_EQ(n, 1);
    }
}

TEST(Threads, NegativeCountIsNothing) {
  parallel_for(3, -5, [](std::int64_t) { FAIL(); });
}

TEST(Threads, WorkersAreOnePerThreadAndOwnTheirState) {
  for (int threads = 1; threads <= 7; ++threads) {
    std::atomic<int> made{0};
    std::atomic<std::int64_t> total{0};
    parallel_workers(threads, 500, [&] {
      ++made;
      return [&total, own = std::make_unique<std::int64_t>(0)](std::int64_t item) {
        *own += item;  // not shared: a race here would lose items
        total += item;
      };
    });
    EXPECT_LE(made, threads);
    EXPECT_GE(made, 1);
    EXPECT_EQ(total, 500 * 499 / 2);
  }
}

TEST(Threads, ExceptionsKeepTypeAndMessage) {
  for (int threads = 1; threads <= 7; ++threads) {
    try {
      parallel_for(threads, 200, [](std::int64_t item) {
        if (item == 37) throw_invalid("item 37 is at fault");
      });
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_EQ(std::string(error.what()), "item 37 is at fault");
    }
  }
}

TEST(Threads, ManyExceptionsGiveOne) {
  for (int threads = 1; threads <= 7; ++threads)
    EXPECT_THROW(
        parallel_for(threads, 100,
                     [](std::int64_t item) { throw std::out_of_range(std::to_string(item)); }),
        std::out_of_range);
}

TEST(Threads, ExceptionFromTheMakerIsCarried) {
  const auto maker = []() -> void (*)(std::int64_t) { throw std::bad_alloc(); };
  for (int threads = 1; threads <= 7; ++threads)
    EXPECT_THROW(parallel_workers(threads, 10, maker), std::bad_alloc);
}

TEST(Threads, AnExceptionEndsTheLoop) {
  std::atomic<int> done{0};
  EXPECT_THROW(parallel_for(1, 1000,
                            [&](std::int64_t item) {
                              ++done;
                              if (item == 4) throw std::runtime_error("enough");
                            }),
               std::runtime_error);
  EXPECT_EQ(done, 5);
}

TEST(Threads, UsableAfterAnException) {
  EXPECT_THROW(parallel_for(3, 10, [](std::int64_t) { throw 1; }), int);
  std::atomic<int> done{0};
  parallel_for(3, 10, [&](std::int64_t) { ++done; });
  EXPECT_EQ(done, 10);
}

TEST(Threads, NestedLoopsRunEveryItem) {
  std::atomic<int> done{0};
  parallel_for(3, 7, [&](std::int64_t) { parallel_for(2, 11, [&](std::int64_t) { ++done; }); });
  EXPECT_EQ(done, 77);
}

TEST(Threads, NestedLoopsShareTheThreadsOfTheCall) {
  for (int threads = 1; threads <= 5; ++threads) {
    std::atomic<int> inside{0}, most{0}, done{0};
    parallel_for(threads, 6, [&](std::int64_t) {
      parallel_for(threads, 20, [&](std::int64_t) {
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --inside;
        ++done;
      });
    });
    EXPECT_EQ(done, 120);
    EXPECT_LE(most, threads);
  }
}

// An item that waits for the one before it, as the turns of the backward do, must find that one at
// work: a thread that waits for an inner loop may not take another item of the outer one.
TEST(Threads, ItemsMayWaitForEarlierOnes) {
  for (int threads = 1; threads <= 5; ++threads) {
    std::atomic<std::int64_t> turn{0};
    parallel_for(threads, 200, [&](std::int64_t item) {
      std::atomic<int> done{0};
      parallel_for(threads, 4, [&](std::int64_t) {
        std::this_thread::yield();
        ++done;
      });
      while (turn != item) std::this_thread::yield();
      EXPECT_EQ(done, 4);
      ++turn;
    });
    EXPECT_EQ(turn, 200);
  }
}

TEST(Threads, ALoopDoesNotWaitForThreadsThatAreBusyElsewhere) {
  std::atomic<int> inside{0};
  std::atomic<bool> over{false};
  std::jthread other([&] {
    parallel_for(3, 3, [&](std::int64_t) {
      ++inside;
      while (!over) std::this_thread::yield();
    });
  });
  while (inside == 0) std::this_thread::yield();
  std::atomic<int> done{0};
  parallel_for(3, 50, [&](std::int64_t) { ++done; });
  EXPECT_EQ(done, 50);
  over = true;
}

// Threads of this process.
std::int64_t count_threads() {
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST(Threads, NoMoreAreStartedThanThereAreItems) {
  std::thread([] {}).join();  // the thread sanitizer's own thread comes with the first
  const std::int64_t before = count_threads();
  std::atomic<std::int64_t> total{0};
  parallel_for(1'000'000, 3, [&](std::int64_t item) { total += item; });
  EXPECT_LE(count_threads(), before + 2);
  // Nested: the inner loops have work for more.
  parallel_for(
      8, 2, [&](std::int64_t) { parallel_for(8, 3, [&](std::int64_t item) { total += item; }); });
  EXPECT_LE(count_threads(), before + 7);
  EXPECT_EQ(total, 9);
}

TEST(Threads, ManyAreBoundedAndFewerThanNoneAnError) {
  EXPECT_EQ(resolved_threads(1'000'000'000), kMostThreads);
  EXPECT_THROW(check_threads(-1), Error);
  EXPECT_NO_THROW(check_threads(0));
}

TEST(Threads, CallsFromManyThreads) {
  std::atomic<int> done{0};
  std::vector<std::jthread> callers;
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) parallel_for(3, 10, [&](std::int64_t) { ++done; });
    });
  callers.clear();
  EXPECT_EQ(done, 6 * 50 * 10);
}

TEST(Threads, ZeroMeansTheDefault) {
  EXPECT_EQ(resolved_threads(5), 5);
  EXPECT_EQ(resolved_threads(0), default_threads());
}

}  // namespace
}  // namespace subquad::testing
