#include "heavy/topk/kept_list_set.h"

#include <utility>

namespace subquad {

KeptListSet::KeptListSet(const HeadProblem& head, KeptLists kept,
                         const std::optional<RecallSample>& sample)
    : head_(head),
      kept_(std::move(kept)),
      set_(head, kept_.offsets(), kept_.keys(), {.block_step = head.group, .head_step = 1}),
      sample_(sample) {}

void KeptListSet::add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const {
  set_.add_runs(rows, group, runs);
}

bool KeptListSet::may_meet(const IndexList& rows, const IndexList& keys) const {
  return set_.may_meet(rows, keys);
}

void KeptListSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                         std::int64_t stride, FilterScratch& scratch) const {
  set_.remove(rows, keys, scores, stride, scratch);
}

SearchRecall KeptListSet::recall(int threads) const {
  return sample_ ? measure_recall(head_, kept_, *sample_, threads) : SearchRecall{};
}

}  // namespace subquad
