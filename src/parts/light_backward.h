// What the backward pass asks of a light part whose estimate is more than the sums of its runs: one
// that adds sums over all keys, and takes the entries of heavy sets out of them again.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rows/backward_rows.h"
#include "rows/backward_sums.h"
#include "rows/score_filter.h"
#include "parts/heavy.h"

namespace subquad {

class LightBackward {
 public:
  // One thread's memory. For each group of rows that a pass loads: begin_group, the heavy runs, in
  // the last pass add_estimate, end_group.
  class Worker {
   public:
    virtual ~Worker() = default;
    // `rows` stay loaded until end_group(). skipped[i]: the forward threw row i's sums away.
    virtual void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) = 0;
    // Whether all that the set's runs take out of the group is done hereby, without take_out().
    virtual bool take_out_set(const HeavySet& set, std::int64_t group, const EntrySets& taken) = 0;
    // Rows `part` of the group have met the keys, but for left_out; grad_values joins `sums`.
    virtual void take_out(const Range& part, const IndexList& keys, const EntrySets& left_out,
                          const KeySums& sums) = 0;
    virtual void add_estimate() = 0;
    // Adds to the rows' grad_query.
    virtual void end_group() = 0;
    // Hands over what the groups since the last call have summed. Called in the order of the
    // groups, one thread at a time.
    virtual void flush() = 0;
  };

  virtual ~LightBackward() = default;
  virtual std::unique_ptr<Worker> make_worker() = 0;  // thread-safe
  // Adds the rest to the gradients, once all rows have been through.
  virtual void finish(int threads) = 0;
};

}  // namespace subquad
