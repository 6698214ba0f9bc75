#include "heavy/topk/candidate_rank.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "core/threads.h"
#include "kernels/select.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 32;  // that a thread takes at a time

}  // namespace

std::int64_t CandidateRanker::rank(std::int64_t row, const IndexList& keys, std::int32_t* best) {
  const std::span<const float> scores = scores_.of(row, keys);
  const std::size_t room = scores.size() + static_cast<std::size_t>(kernels::kSplitPadding);
  seen_scores_.resize(room);
  seen_places_.resize(room);
  Candidates seen{seen_scores_.data(), seen_places_.data(), 0};
  seen.count = kernels::split_scores(scores.data(), keys.count, -FLT_MAX, HUGE_VALF, 0, nullptr,
                                     seen_scores_.data(), seen_places_.data())
                   .between;
  seen.cut(k_, cut_);
  for (std::int64_t c = 0; c < seen.count; ++c)
    best[c] = static_cast<std::int32_t>(keys[seen.keys[c]]);
  return seen.count;
}

std::int64_t CandidateRanker::rank_visible(std::int64_t row, std::int32_t* best) {
  const Range seen = head_.visible(row);
  return seen.empty() ? 0 : rank(row, index_range(seen.begin, seen.end), best);
}

KeptLists rank_candidates(const HeadProblem& head, std::span<const std::int64_t> offsets,
                          std::span<const std::int32_t> keys, std::int64_t k, int threads) {
  const std::int64_t rows = head.num_rows();
  const auto candidates = [&](std::int64_t row) {
    const auto r = static_cast<std::size_t>(row);
    const std::int64_t begin = offsets[r];
    return IndexList{keys.data() + begin, 0, offsets[r + 1] - begin, true};
  };
  std::int64_t longest = 0;
  for (std::int64_t row = 0; row < rows; ++row) longest = std::max(longest, candidates(row).count);
  KeptLists kept(rows, std::min(k, longest));
  parallel_workers(threads, (rows + kRows - 1) / kRows, [&] {
    return [&, ranker = CandidateRanker(head, k)](std::int64_t block) mutable {
      for (std::int64_t row = block * kRows; row < std::min((block + 1) * kRows, rows); ++row)
        if (candidates(row).count > 0)
          kept.set_count(row, ranker.rank(row, candidates(row), kept.room(row)));
    };
  });
  kept.close();
  return kept;
}

}  // namespace subquad
