// Attention straight from its definition, in double precision, forward and backward. Shares no code
// with the library: the yardstick of its tests. Cost: Lq * Lk * (D + Dv) a head, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "subquad/problem.h"

namespace subquad::testing {

// Row-major (batch, head, position, channel).
struct DenseTensor {
  Shape4 shape{0, 0, 0, 0};
  std::vector<double> values;

  explicit DenseTensor(const Shape4& s = {0, 0, 0, 0});
  double* row(std::int64_t b, std::int64_t h, std::int64_t i) {
    return values.data() + ((b * shape[1] + h) * shape[2] + i) * shape[3];
  }
  const double* row(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return values.data() + ((b * shape[1] + h) * shape[2] + i) * shape[3];
  }
  // Over the finite elements.
  double max_abs() const;
};

double read_element(const TensorView& view, std::int64_t offset);

DenseTensor read_tensor(const TensorView& view);

// The positions of one sequence; without packing there is one, of everything.
struct SequenceRange {
  std::int64_t query_begin, query_end, key_begin, key_end;
};

std::vector<SequenceRange> sequence_ranges(const Problem& problem);

// Whether causal and window let query i see key j, both counted from the start of the sequence.
bool in_band(const Problem& problem, const SequenceRange& range, std::int64_t i, std::int64_t j);

// What the mask adds to the score: 0, the additive entry, or -inf.
double mask_entry(const Mask& mask, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j);

class ReferenceAttention {
 public:
  explicit ReferenceAttention(const Problem& problem);

 private:
  const Problem& problem_;
  DenseTensor query_, key_, value_;
  double scale_ = 1;

 public:
  DenseTensor out;       // (B, Hq, Lq, Dv)
  DenseTensor lse;       // (B, Hq, Lq, 1); the sink logit counts
  double max_score = 0;  // largest finite |score| that is seen
  double max_value = 0;  // largest finite |V|

  struct Gradients {
    DenseTensor query, key, value;
  };
  // Of sum(out * grad_out) + sum(lse * grad_lse).
  Gradients backward(const DenseTensor& grad_out, const DenseTensor& grad_lse) const;

  // How far each gradient may be off if it is computed from an out and an lse that came of weights
  // p_ij, each off by at most `weight_error` of itself. With r = weight_error / (1 - weight_error),
  // g_ij = grad_out_i . V_j and d_i = grad_out_i . out_i:
  //   weights of the backward, exp(score - lse)    off by r p_ij
  //   d_i                                          off by e_i = r sum_j p_ij |g_ij - d_i|
  //     + 3 2^-24 sum_c |grad_out_ic out_ic|, the sums, their inverse and product in f32
  //   p_ij (g_ij - d_i + grad_lse_i)               off by p_ij (r |g_ij - d_i + grad_lse_i|
  //                                                             + (1 + r) e_i)
  // Where the backward itself rounds p_ij, grad_out and those products to bf16, each by u of itself
  // (2^-9, or 0), the first is off by 2 u p_ij more, the last by
  //   u p_ij |g_ij - d_i + grad_lse_i| + u p_ij sum_c |grad_out_ic (V_jc - out_ic)|, and by
  //   products
  // of errors, which a twentieth more covers.
  Gradients backward_slack(const DenseTensor& grad_out, const DenseTensor& grad_lse,
                           double weight_error, double rounding) const;

 private:
  struct Row {
    const SequenceRange& range;
    std::int64_t b, h, kv_head, i;
    std::vector<double> scores;  // over the keys of the sequence, -inf where not seen
  };

  void for_each_row(const std::function<void(const Row&)>& visit) const;

  std::vector<double> score_row(const SequenceRange& range, std::int64_t b, std::int64_t h,
                                std::int64_t kv_head, std::int64_t i) const;

  // The largest logit and the sum relative to it: where the two cannot be one number any more
  // (-3.4e38 + log 4), weights still are exp(score - shift) / sum.
  struct Total {
    double shift = 0, sum = 1;
    double lse() const;
    double weight(double score) const;
  };

  Total total_of(const Row& row) const;

  void forward_row(const Row& row);

  // A row's weights, and the gradient of its scores before they are scaled.
  struct RowGradients {
    std::vector<double> weights, scores;
  };

  RowGradients row_gradients(const Row& row, const DenseTensor& grad_out,
                             const DenseTensor& grad_lse) const;

  void backward_row(const Row& row, const DenseTensor& grad_out, const DenseTensor& grad_lse,
                    Gradients& gradients) const;

  void slack_row(const Row& row, const DenseTensor& grad_out, const DenseTensor& grad_lse,
                 double relative, double rounding, Gradients& slack) const;
};

}  // namespace subquad::testing
