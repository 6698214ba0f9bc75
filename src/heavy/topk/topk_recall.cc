#include "heavy/topk/topk_recall.h"

#include <algorithm>
#include <cfloat>
#include <iterator>
#include <span>
#include <vector>

#include "core/threads.h"
#include "heavy/topk/kth_score.h"
#include "rows/row_scores.h"

namespace subquad {
namespace {

// One row a stratum.
std::int64_t sampled_row(const RecallSample& sample, std::int64_t rows, std::int64_t count,
                         std::int64_t s) {
  const std::int64_t begin = rows * s / count, end = rows * (s + 1) / count;
  return begin +
         sample.rng.below(end - begin, Purpose::recall_row, 0, static_cast<std::uint32_t>(s));
}

// One thread's memory.
class RecallCounter {
 public:
  RecallCounter(const HeadProblem& head, const KeptLists& kept, std::int64_t k)
      : head_(head), kept_(kept), k_(k), scores_(head) {}

  SearchRecall count(std::int64_t row) {
    const Range seen = head_.visible(row);
    if (seen.empty()) return {};
    const auto scores = scores_.of(row, index_range(seen.begin, seen.end));
    // Hidden keys are -inf; nothing else is.
    all_.clear();
    std::copy_if(scores.begin(), scores.end(), std::back_inserter(all_),
                 [](float s) { return s >= -FLT_MAX; });
    const auto visible = static_cast<std::int64_t>(all_.size());
    if (visible == 0) return {};
    const float least = visible <= k_ ? -FLT_MAX : find_kth(all_.data(), visible, k_).threshold;
    return {found(row, seen, scores, least), std::min(k_, visible)};
  }

 private:
  std::int64_t found(std::int64_t row, const Range& seen, std::span<const float> scores,
                     float least) const {
    const auto r = static_cast<std::size_t>(row);
    const auto keys =
        kept_.keys().subspan(static_cast<std::size_t>(kept_.offsets()[r]),
                             static_cast<std::size_t>(kept_.offsets()[r + 1] - kept_.offsets()[r]));
    return std::count_if(keys.begin(), keys.end(), [&](std::int32_t key) {
      return scores[static_cast<std::size_t>(key - seen.begin)] >= least;
    });
  }

  const HeadProblem& head_;
  const KeptLists& kept_;
  std::int64_t k_;
  RowScores scores_;
  std::vector<float> all_;
};

}  // namespace

SearchRecall measure_recall(const HeadProblem& head, const KeptLists& kept,
                            const RecallSample& sample, int threads) {
  const std::int64_t rows = head.num_rows(), count = std::min(sample.rows, rows);
  std::vector<SearchRecall> parts(static_cast<std::size_t>(count));
  parallel_workers(threads, count, [&] {
    return [&, counter = RecallCounter(head, kept, sample.k)](std::int64_t s) mutable {
      parts[static_cast<std::size_t>(s)] = counter.count(sampled_row(sample, rows, count, s));
    };
  });
  SearchRecall sum;
  for (const SearchRecall& part : parts) sum.add(part);
  return sum;
}

}  // namespace subquad
