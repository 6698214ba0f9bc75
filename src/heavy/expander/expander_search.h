// What the ways of finding heavy entries share: a linear map T of the rows, applied to Q once and
// then to every column as (T Q) k, and a decoder from T x to candidate rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory.h"
#include "core/rng.h"
#include "heavy/expander/expander_columns.h"
#include "heavy/expander/expander_sketch.h"

namespace subquad {

// T Q, packed as the B of K (T Q)^T.
class PackedRows {
 public:
  PackedRows() = default;
  explicit PackedRows(const kernels::RowSource& rows);

  std::int64_t count() const { return count_; }
  std::int64_t stride() const { return stride_; }  // count(), rounded up to whole vectors
  // out[j * stride() + t] = (T Q k_j)_t for the keys of a block.
  void multiply(const KeyBlock& keys, float* out) const;

 private:
  std::int64_t count_ = 0, width_ = 0, stride_ = 0, panel_stride_ = 0;
  Scratch<float> packed_;
};

// One column x = Q k as a decoder sees it.
struct Column {
  const float* sketch;  // T x
  float limit;          // heavy: |x_i| >= limit
  float slack;          // at least the rounding error of any x_i in f32
  double energy;        // |x|^2
  double key_norm;      // |k|
};

class ColumnSketch {
 public:
  virtual ~ColumnSketch() = default;
  const PackedRows& packed() const { return packed_; }
  // Appends rows, in any order and perhaps twice, that hold the heavy ones. Thread-safe.
  virtual void decode(const Column& column, std::vector<std::int32_t>& candidates) const = 0;

 protected:
  PackedRows packed_;  // T Q
};

// T picks rows: those that can be heavy in some column (leverage), or all.
std::unique_ptr<ColumnSketch> make_row_selection(const QueryRows& queries, double tau,
                                                 bool by_leverage, int threads);
std::unique_ptr<ColumnSketch> make_count_sketch(const QueryRows& queries,
                                                const ExpanderOptions& options, const Rng& rng,
                                                int threads);
std::unique_ptr<ColumnSketch> make_cluster_sketch(const QueryRows& queries,
                                                  const ExpanderOptions& options, const Rng& rng,
                                                  int threads);

// What searching all columns by these sketches takes, in multiply-adds.
double count_sketch_steps(const HeadProblem& head, const ExpanderOptions& options);
double cluster_sketch_steps(const HeadProblem& head, const ExpanderOptions& options);

// Room for T Q, (rows, width). Error if that is more than 2^31 elements.
Scratch<float> sketch_room(std::int64_t rows, std::int64_t width);

// Appends the i < count with |x_i| >= least.
void append_at_least(const float* x, std::int64_t count, float least,
                     std::vector<std::int32_t>& indices);

// The rows of each bucket, ascending: of bucket b, rows[offsets[b] .. offsets[b + 1]).
struct RowBuckets {
  RowBuckets(const Scratch<std::int32_t>& bucket_of_row, std::int64_t num_buckets);
  std::vector<std::int64_t> offsets;
  Scratch<std::int32_t> rows;
};

}  // namespace subquad
