// What a model holds for single entries: implied(row, key) -> weight, and the share of the value
// that comes with it, a tile at a time.
#pragma once

#include <cstdint>

#include "core/index_list.h"
#include "rows/key_run.h"
#include "rows/partial.h"
#include "rows/row_block.h"

namespace subquad {

// Some of the entries of rows x keys: those with the mark 0; the others have -inf.
struct MarkedEntries {
  Range rows;  // of the block
  IndexList keys;
  const float* marks;  // rows `stride` apart
  std::int64_t stride;
};

// One thread's memory, of one model and for one block of rows at a time. The model holds weight *
// (v, 1) for an entry, and what finish_rows() adds.
class ImpliedEntries {
 public:
  virtual ~ImpliedEntries() = default;
  // The most rows that load_rows() takes.
  virtual std::int64_t most_rows() const = 0;
  // Takes what it holds for all entries of the run out of the rows' sums, if it can at once: false
  // where it cannot. Without the calls below; nothing is left out of the run.
  virtual bool subtract_run(RowBlock& /*rows*/, const KeyRun& /*run*/) { return false; }

  // Whether it holds none of the run's entries: nothing is then asked or subtracted.
  virtual bool holds_none(const RowBlock& /*rows*/, const KeyRun& /*run*/) const { return false; }

  // The keys of the run that the rows loaded from now on meet: the model may leave others out.
  virtual void open_run(const IndexList& /*keys*/) {}
  // Rows `part` of the block. Sets m[i]: the base-2 exponent that row part.begin + i's weights are
  // relative to.
  virtual void load_rows(const RowBlock& rows, const Range& part, float* m) = 0;
  // At most key_tile_size() keys. The list stays alive until the next call.
  virtual void load_keys(const IndexList& keys) = 0;
  // weights[r * stride + c] of the entries of loaded rows and keys, the keys from loaded key
  // `first` on, a multiple of the panel width. Those not marked get -0.0f (kernels::is_masked).
  virtual void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) = 0;
  // Adds to the loaded rows' sums what else the model holds for the entries weighed.
  virtual void finish_rows(const Partial& /*sums*/) {}

  // Rows with fewer entries of a run than this are cheaper one entry at a time; 0: none are.
  virtual std::int64_t few_entries() const { return 0; }
  // Then, without load_rows() and load_keys(): the entries' marks become base-2 logits of their
  // weights, `log2_factor` added; entries that the model does not hold get -inf. One row.
  virtual void weigh_few(const RowBlock& /*rows*/, std::int64_t /*row*/, const IndexList& /*keys*/,
                         float /*log2_factor*/, float* /*marks*/) {}
};

}  // namespace subquad
