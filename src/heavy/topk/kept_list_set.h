// Rows that each meet a list of keys of their own, and how many a search should have listed.
#pragma once

#include <optional>

#include "parts/row_list_set.h"
#include "heavy/topk/kept_keys.h"
#include "heavy/topk/topk_recall.h"

namespace subquad {

class KeptListSet final : public HeavySet {
 public:
  // `sample`: how to measure the recall, if the lists may lack keys.
  KeptListSet(const HeadProblem& head, KeptLists kept,
              const std::optional<RecallSample>& sample = {});

  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  bool may_meet(const IndexList& rows, const IndexList& keys) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;
  SearchRecall recall(int threads) const override;

 private:
  const HeadProblem& head_;
  KeptLists kept_;
  RowListSet set_;
  std::optional<RecallSample> sample_;
};

}  // namespace subquad
