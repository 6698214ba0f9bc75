// Threads that wait for loops to join (docs/design/0004-threads.md says why they are our own).
#pragma once

#include <cstdint>
#include <functional>

namespace subquad {

// Runs body() here and on others of the `threads` that the call may use, `seats` in all at most:
// those that are idle, or become so while the loop is open. It closes with the first body() that
// returns: body() takes items from a counter until none is left, and must not throw. Returns when
// all that joined have left; it never waits for a thread that has not come. Loops may nest: inside
// body(), the threads of the outermost call are shared, and one that waits for others to leave
// joins their inner loops.
void run_team(int threads, std::int64_t seats, const std::function<void()>& body);

// How many threads a call may use at most, whatever it asks for.
inline constexpr int kMostThreads = 1024;

// The processors that this process may run on.
int available_processors();

// How many threads a loop may use where none are asked for: the processors that this process may
// run on, or the environment's OMP_NUM_THREADS.
int default_threads();

}  // namespace subquad
