// A method's plan as a plain list of weighted entries, and attention over them in double precision:
// the yardstick of approximate forward and backward. Only the plan is the library's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "rows/head_problem.h"
#include "run/head_plan.h"
#include "methods/method.h"
#include "run/route.h"
#include "support/reference_attention.h"

namespace subquad::testing {

// Key `key` of the key tensor counts with `weight` in the sum of weights, of values, or in both.
struct ModelEntry {
  std::int64_t key;
  double weight;  // of the sample and of an additive mask
  bool in_weights, in_values;
};

struct ModelRow {
  std::int64_t b, h, kv_head, i;  // i counts along the query tensor
  double sink;                    // logit, -inf without
  std::vector<ModelEntry> entries;
};

class PlanModel {
 public:
  PlanModel(const Problem& problem, const Method& method, std::uint64_t seed);

  std::int64_t fallback_rows = 0;  // rows without an entry, which have all visible keys instead
  const std::vector<ModelRow>& rows() const { return rows_; }

  struct Inputs {
    DenseTensor query, key, value;
  };
  Inputs inputs() const {
    return {read_tensor(problem_.query), read_tensor(problem_.key), read_tensor(problem_.value)};
  }

  struct Outputs {
    DenseTensor out, lse;
    double max_score = 0, max_value = 0;
  };
  Outputs forward(const Inputs& in) const;

  // Of sum(out * grad_out) + sum(lse * grad_lse).
  Inputs backward(const Inputs& in, const Outputs& outputs, const DenseTensor& grad_out,
                  const DenseTensor& grad_lse) const;

 private:
  static constexpr double kHidden = -std::numeric_limits<double>::infinity();

  void add_head(const HeadProblem& head, const Method& method, std::uint64_t seed);

  void add_plan(const HeadProblem& head, const Method& method, std::uint64_t seed,
                std::size_t first);

  void add_run(const HeadProblem& head, const IndexList& rows, const KeyRun& run,
               const EntrySets& taken, std::size_t first);

  static bool is_left_out(const IndexList& rows, std::int64_t r, const KeyRun& run, std::int64_t c,
                          const EntrySets& taken);

  static SequenceRange range_of(const HeadProblem& head) {
    return {head.query_begin, head.query_begin + head.query_len, head.key_begin,
            head.key_begin + head.num_keys};
  }

  // What the masks add to the logit.
  double logit_shift(const HeadProblem& head, std::int64_t row, std::int64_t key) const;

  bool any_in_band(const HeadProblem& head, std::int64_t row) const;

  double sink_of(std::int64_t h) const {
    return problem_.sink_logits.empty()
               ? kHidden
               : static_cast<double>(problem_.sink_logits[static_cast<std::size_t>(h)]);
  }

  static double dot(const double* a, const double* b, std::int64_t n);
  static void add(double* to, double factor, const double* from, std::int64_t n);

  double score(const Inputs& in, const ModelRow& row, const ModelEntry& entry) const {
    return scale_ * dot(in.query.row(row.b, row.h, row.i),
                        in.key.row(row.b, row.kv_head, entry.key), in.query.shape[3]);
  }

  void forward_row(const Inputs& in, const ModelRow& row, Outputs& result) const;

  void backward_row(const Inputs& in, const Outputs& outputs, const DenseTensor& grad_out,
                    const DenseTensor& grad_lse, const ModelRow& row, Inputs& gradients) const;

  const Problem& problem_;
  double scale_ = 1;
  std::vector<ModelRow> rows_;
};

}  // namespace subquad::testing
