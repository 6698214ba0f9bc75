// The two versions of k-NN attention of the KVT paper (supplement, section 3), one head, f32.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

// Rows of head_dim channels; scale 1 / sqrt(head_dim).
struct KnnInput {
  std::int64_t seq = 0, head_dim = 0;
  std::vector<float> query, key, value;
};
KnnInput normal_input(std::int64_t seq, std::int64_t head_dim);

// Row i by a plain double-precision loop.
std::vector<double> plain_topk_row(const KnnInput& input, std::int64_t k, std::int64_t i);

// Slow version: each query selects its k keys, gathers them and their values, and attends to them.
void slow_knn(const KnnInput& input, std::int64_t k, int threads, std::vector<float>& out);

// Fast version, Algorithm 1: scores of all pairs by one product, a mask of each row's k largest,
// softmax over the full rows, one product with the values. n x n memory twice.
class FastKnn {
 public:
  virtual ~FastKnn() = default;
  virtual void run(const KnnInput& input, std::int64_t k, std::vector<float>& out) = 0;
};
// nullptr if libopenblas is not installed.
std::shared_ptr<FastKnn> make_fast_knn(int threads);

}  // namespace bench
