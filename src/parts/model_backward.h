// What the backward pass asks of a model: the derivative of its sums over all keys, and of the
// entries that have been subtracted from them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parts/entry_gradients.h"
#include "rows/backward_rows.h"

namespace subquad {

class ModelBackward {
 public:
  // One thread's memory. For each group of rows that a pass loads: begin_group, what is subtracted,
  // in the last pass add_estimate, end_group.
  class Worker {
   public:
    virtual ~Worker() = default;
    // `rows` stay loaded until end_group(). skipped[i]: the forward threw row i's sums away.
    virtual void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) = 0;
    // As Model::subtract_near_field().
    virtual void subtract_near_field(std::int64_t /*group*/) {}
    // For what is subtracted entry by entry, of the group that has begun.
    virtual EntryGradients& entries() = 0;
    virtual void add_estimate() = 0;
    // Adds to the rows' grad_query.
    virtual void end_group() = 0;
    // Hands over what the groups since the last call have summed. Called in the order of the
    // groups, one thread at a time.
    virtual void flush() = 0;
  };

  virtual ~ModelBackward() = default;
  virtual std::unique_ptr<Worker> make_worker() = 0;  // thread-safe
  // Adds the rest to the gradients, once all rows have been through.
  virtual void finish(int threads) = 0;
};

}  // namespace subquad
