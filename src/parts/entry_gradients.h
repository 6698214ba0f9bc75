// The adjoint of what a model holds for single entries (implied_entries.h).
#pragma once

#include <cstdint>

#include "core/index_list.h"
#include "parts/implied_entries.h"
#include "rows/backward_sums.h"

namespace subquad {

// One thread's memory, for one group of rows at a time. With l the row's final sum of weights, a
// weight's derivative is (dO . v + offset) / l: the model keeps 1 / l in its weights or in the
// rows' gradients.
class EntryGradients {
 public:
  // (dO, offset) of each row of the group, `stride` floats apart.
  struct RowGrads {
    const float* data;
    std::int64_t stride;
  };

  virtual ~EntryGradients() = default;
  virtual RowGrads row_grads() = 0;
  // Whether the model holds none of the entries of the group's rows `part` and the keys.
  virtual bool holds_none(const Range& /*part*/, const IndexList& /*keys*/) const { return false; }
  // The list stays alive until finish_keys().
  virtual void load_keys(const IndexList& keys) = 0;
  // sign times the weights of the marked entries of the group's rows and the loaded keys; the
  // others get -0.0f (kernels::is_masked).
  virtual void weigh(const MarkedEntries& entries, float sign, float* weights) = 0;
  // slopes: the derivatives by the weights just given, 0 where no mark is; in the layout of the
  // marks.
  virtual void add_slopes(const MarkedEntries& entries, const float* weights,
                          const float* slopes) = 0;
  // Hands over the gradients of the keys since load_keys().
  virtual void finish_keys(const KeySums& /*sums*/) {}
};

}  // namespace subquad
