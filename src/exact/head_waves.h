// Heads that are packed together, because what they take stays in the threads' caches.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "rows/head_problem.h"

namespace subquad {

// Heads from the front whose bytes_of() are at most `thread_bytes` a thread and `most_bytes`
// together; at least one.
template <typename Bytes>
std::size_t next_wave(std::span<const HeadProblem> heads, std::int64_t thread_bytes,
                      std::int64_t most_bytes, int threads, const Bytes& bytes_of) {
  const std::int64_t most = std::min(threads * thread_bytes, most_bytes);
  std::int64_t bytes = bytes_of(heads.front());
  std::size_t count = 1;
  while (count < heads.size() && bytes + bytes_of(heads[count]) <= most)
    bytes += bytes_of(heads[count++]);
  return count;
}

}  // namespace subquad
