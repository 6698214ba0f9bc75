#include "heavy/topk/candidates.h"

#include <algorithm>
#include <bit>

#include "heavy/topk/kth_score.h"
#include "kernels/select.h"

namespace subquad {
namespace {

// One bit for each of the k largest.
void mark_largest(const Candidates& all, std::int64_t k, CutScratch& scratch) {
  const KthScore kth = find_kth(all.scores, all.count, k);
  scratch.scores.resize(static_cast<std::size_t>(all.count + kernels::kSplitPadding));
  scratch.ties.resize(scratch.scores.size());
  const kernels::SplitResult found =
      kernels::split_scores(all.scores, all.count, kth.threshold, kth.threshold, 0,
                            scratch.marks.data(), scratch.scores.data(), scratch.ties.data());
  for (std::int64_t t = 0; t < std::min(found.between, kth.ties); ++t) {
    const auto place = static_cast<std::uint32_t>(scratch.ties[static_cast<std::size_t>(t)]);
    scratch.marks[place / 32] |= 1U << place % 32;
  }
}

}  // namespace

void Candidates::cut(std::int64_t k, CutScratch& scratch) {
  if (count <= k) return;
  scratch.marks.assign(static_cast<std::size_t>(count / 32 + 2), 0);
  if (k > 0) mark_largest(*this, k, scratch);
  count = 0;
  for (std::size_t w = 0; w < scratch.marks.size(); ++w)
    for (std::uint32_t word = scratch.marks[w]; word != 0; word &= word - 1)
      keys[count++] = keys[w * 32 + static_cast<std::size_t>(std::countr_zero(word))];
}

}  // namespace subquad
