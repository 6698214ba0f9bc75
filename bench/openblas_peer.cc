// Exact attention as two sgemm calls and a softmax: what one writes on top of a BLAS.
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "openblas.h"
#include "peer.h"

namespace bench {
namespace {

class OpenBlasPeer final : public Peer {
 public:
  OpenBlasPeer(const OpenBlas& blas, const float* q, const float* k, const float* v, float* out)
      : blas_(blas), q_(q), k_(k), v_(v), out_(out) {}

  std::string name() const override { return "openblas (unfused)"; }

  double run(const Shape& shape, int threads) override {
    scores_.resize(static_cast<std::size_t>(shape.seq * shape.seq));
    blas_.set_threads(threads);
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t h = 0; h < shape.heads; ++h)
      run_head(shape, h * shape.seq * shape.head_dim, threads);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  void run_head(const Shape& shape, std::int64_t offset, int threads) {
    const std::int64_t n = shape.seq, d = shape.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    blas_.multiply_transposed(n, n, d, scale, q_ + offset, k_ + offset, scores_.data());
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t i = 0; i < n; ++i)
      softmax_row(scores_.data() + i * n, shape.causal ? i + 1 : n, n);
    blas_.multiply(n, d, n, 1.0f, scores_.data(), v_ + offset, out_ + offset);
  }

  OpenBlas blas_;
  const float *q_, *k_, *v_;
  float* out_;
  std::vector<float> scores_;
};

}  // namespace

std::unique_ptr<Peer> make_openblas_peer(const float* query, const float* key, const float* value,
                                         float* out) {
  const std::optional<OpenBlas> blas = OpenBlas::open();
  if (!blas) return nullptr;
  return std::make_unique<OpenBlasPeer>(*blas, query, key, value, out);
}

}  // namespace bench
