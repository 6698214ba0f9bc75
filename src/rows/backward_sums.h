// Sums of the gradients of keys and values over rows, before they join the tensors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "subquad/attention.h"

namespace subquad {

// Which gradients are asked for.
struct WantedGradients {
  bool query = false, key = false, value = false;
  bool scores() const { return query || key; }
  bool keys() const { return key || value; }
};
WantedGradients wanted_gradients(const BackwardArguments& arguments);

// Zeroes every gradient that is asked for.
void clear_gradients(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                     int threads);

// Whether two lists are the same one in memory.
inline bool same_list(const IndexList& a, const IndexList& b) {
  return a.ids == b.ids && a.first == b.first && a.count == b.count;
}

// The sums of listed keys, rows a stride apart. The keys' sums lack a factor ln 2: they are taken
// with queries in base-2 units.
struct KeySums {
  IndexList keys;
  float* grad_keys = nullptr;
  float* grad_values = nullptr;
  std::int64_t key_stride = 0, value_stride = 0;

  float* grad_key(std::int64_t i) const { return grad_keys + i * key_stride; }
  float* grad_value(std::int64_t i) const { return grad_values + i * value_stride; }
};

// Memory for some KeySums at a time.
class KeySumsBuffer {
 public:
  // `chunks` times `chunk_keys` keys; a chunk is allocated when it is first used.
  KeySumsBuffer(std::int64_t head_dim, std::int64_t value_dim, std::int64_t chunk_keys,
                std::int64_t chunks = 1);

  // Whether there are sums of these keys, or room for them.
  bool fits(const IndexList& keys) const;
  // The sums of at most chunk_keys keys that fit: those opened before for the same list, else new
  // ones of zero. The list must stay alive until flush().
  const KeySums& open(const IndexList& keys);
  // Adds the sums, in the order of open(), to grad_key and grad_value where wanted; then all room
  // is free again.
  void flush(const HeadProblem& head, const BackwardArguments& arguments);

 private:
  const KeySums* find(const IndexList& keys) const;

  std::int64_t key_stride_, value_stride_, chunk_keys_, max_chunks_;
  std::vector<Scratch<float>> chunks_;
  std::int64_t chunk_ = 0, used_ = 0;  // the chunk in use, and its keys that are taken
  std::vector<KeySums> open_;
};

}  // namespace subquad
