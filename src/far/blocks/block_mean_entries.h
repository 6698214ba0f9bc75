// What the pseudo keys hold for single entries: each member of a block has the weight of its mean.
//
// cost: D multiply-adds for each row and block of a run, and a look-up for each entry; few entries:
// D each.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "far/blocks/block_mean_model.h"
#include "far/blocks/block_mean_sums.h"
#include "parts/implied_entries.h"

namespace subquad {

class BlockMeanEntries final : public ImpliedEntries {
 public:
  explicit BlockMeanEntries(const BlockMeanModel& model);  // must outlive this

  std::int64_t most_rows() const override { return FarField::kRows; }
  // Whole blocks, D + Dv for each.
  bool subtract_run(RowBlock& rows, const KeyRun& run) override;
  void open_run(const IndexList& keys) override;
  void load_rows(const RowBlock& rows, const Range& part, float* m) override;
  void load_keys(const IndexList& /*keys*/) override {}
  void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) override;

  std::int64_t few_entries() const override;
  void weigh_few(const RowBlock& rows, std::int64_t row, const IndexList& keys, float log2_factor,
                 float* marks) override;

 private:
  struct RowOfMarks {
    const float* marks;
    float* weights;
  };
  // Loaded row i.
  void weigh_keys(std::int64_t i, const IndexList& keys, const RowOfMarks& row);
  void weigh_blocks(std::int64_t i, const IndexList& keys, const RowOfMarks& row);
  // The key's block if the row has it as a pseudo key, else -1.
  std::int32_t block_of(std::int64_t key, const Range& blocks) const;

  // The blocks that the keys are, if they are whole ones, as ranges; else none.
  std::vector<Range> whole_ranges(const IndexList& keys) const;

  const BlockMeanModel& model_;
  BlockMeanSums sums_;
  std::int64_t stride_;
  Range run_;               // blocks of the run's keys
  Scratch<float> weights_;  // of the loaded rows' blocks of run_, relative to their largest
  std::vector<Range> blocks_;
  std::int64_t first_row_ = 0;
};

}  // namespace subquad
