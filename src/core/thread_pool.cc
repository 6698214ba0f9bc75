#include "core/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace subquad {
namespace {

// The threads that the loops of one outermost call may still take, beside the caller.
struct Team {
  int size;
  int free = size;
};

struct Loop {
  const std::function<void()>* body;
  const Loop* parent;  // whose body() opened this one
  Team* team;
  int seats;  // threads that may still join; 0: closed
  int inside = 0;

  bool is_within(const Loop& other) const {
    const Loop* loop = parent;
    while (loop != nullptr && loop != &other) loop = loop->parent;
    return loop != nullptr;
  }
};

thread_local const Loop* current_loop = nullptr;

void enter(const Loop& loop) {
  const Loop* outer = std::exchange(current_loop, &loop);
  (*loop.body)();
  current_loop = outer;
}

// One lock for all: a loop takes it a few times, its items never.
class Pool {
 public:
  // Never destroyed: its threads may outlive main().
  static Pool& instance() { return *current(); }

  void run(int threads, std::int64_t seats, const std::function<void()>& body) {
    Team own{threads - 1};
    Loop loop{&body, current_loop, current_loop != nullptr ? current_loop->team : &own,
              static_cast<int>(std::min<std::int64_t>(threads, seats)) - 1};
    const std::list<Loop*>::iterator place = open(loop);
    enter(loop);
    std::unique_lock lock(mutex_);
    loop.seats = 0;
    while (loop.inside > 0) {
      // A loop elsewhere could wait for what this thread has at hand: only those that `loop` needs.
      Loop* inner = find([&](const Loop& other) { return other.is_within(loop); });
      inner != nullptr ? join(*inner, lock) : changed_.wait(lock);
    }
    loops_.erase(place);
  }

 private:
  // A forked child has none of its parent's threads, and perhaps a lock that one of them held: it
  // begins anew.
  static Pool*& current() {
    static Pool* pool = [] {
      pthread_atfork(nullptr, nullptr, [] { current() = new Pool; });
      return new Pool;
    }();
    return pool;
  }

  std::list<Loop*>::iterator open(Loop& loop) {
    const std::lock_guard lock(mutex_);
    const int busy = loop.team->size - loop.team->free;
    hire(busy + std::min(loop.team->free, loop.seats));
    const auto place = loops_.insert(loops_.end(), &loop);
    if (loop.team->free > 0) changed_.notify_all();
    return place;
  }

  // No more threads than there are seats for, and as many as the system gives: loops do with fewer.
  void hire(int wanted) try {
    for (; workers_ < std::min(wanted, kMostThreads); ++workers_)
      std::thread([this] { work(); }).detach();
  } catch (const std::system_error&) {
  }

  // The oldest loop with a seat that `wanted` accepts.
  template <typename Predicate>
  Loop* find(const Predicate& wanted) const {
    for (Loop* loop : loops_)
      if (loop->seats > 0 && wanted(*loop)) return loop;
    return nullptr;
  }

  // Expects and gives back the lock.
  void join(Loop& loop, std::unique_lock<std::mutex>& lock) {
    --loop.seats;
    ++loop.inside;
    lock.unlock();
    enter(loop);
    lock.lock();
    loop.seats = 0;
    --loop.inside;
    changed_.notify_all();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      Loop* loop = find([](const Loop& open) { return open.team->free > 0; });
      if (loop == nullptr) {
        changed_.wait(lock);
        continue;
      }
      Team& team = *loop->team;
      --team.free;
      join(*loop, lock);
      ++team.free;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;  // a loop has opened, or a thread has left one
  std::list<Loop*> loops_;
  int workers_ = 0;
};

}  // namespace

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void run_team(int threads, std::int64_t seats, const std::function<void()>& body) {
  if (threads <= 1 || seats <= 1) return body();
  Pool::instance().run(threads, seats, body);
}

int default_threads() {
  int wanted = 0;
  if (const char* text = std::getenv("OMP_NUM_THREADS"))
    std::from_chars(text, text + std::strlen(text), wanted);
  return wanted > 0 ? wanted : available_processors();
}

}  // namespace subquad
