// Other implementations of exact attention, timed in the same run as ours.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace bench {

// Dense f32 inputs of shape (heads, seq, head_dim).
struct Shape {
  std::int64_t heads, seq, head_dim;
  bool causal;
  bool backward = false;  // the three gradients, of a forward that was run before
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string name() const = 0;
  // Seconds of one pass with `threads` threads; memory is reused between calls.
  virtual double run(const Shape& shape, int threads) = 0;
};

// Two OpenBLAS products and a softmax, n x n memory. nullptr if libopenblas is not installed.
std::unique_ptr<Peer> make_openblas_peer(const float* query, const float* key, const float* value,
                                         float* out);
// softmax(Q K^T) V in PyTorch, or its gradients, on "f32" or "bf16", in a child process. nullptr if
// that interpreter has no torch.
std::unique_ptr<Peer> make_torch_peer(const std::string& python, const std::string& type);

}  // namespace bench
