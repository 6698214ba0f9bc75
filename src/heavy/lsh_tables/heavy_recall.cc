#include "heavy/lsh_tables/heavy_recall.h"

#include <algorithm>
#include <vector>

#include "core/sampling.h"
#include "core/threads.h"
#include "heavy/lsh_tables/heavy_search.h"

namespace subquad {

SearchRecall measure_heavy_recall(const HeadProblem& head, const RowLists& lists,
                                  const LshTablesOptions& options, const Rng& rng, int threads) {
  const std::vector<std::int32_t> rows =
      sample_without_replacement(head.num_rows(), options.recall_rows, rng, 0, Purpose::recall_row);
  std::vector<SearchRecall> parts(rows.size());
  parallel_workers(threads, std::ssize(rows), [&] {
    return [&, scores = RowScores(head),
            wanted = std::vector<std::int32_t>()](std::int64_t s) mutable {
      const std::int64_t row = rows[static_cast<std::size_t>(s)];
      const Range seen = head.visible(row);
      if (seen.empty()) return;
      keep_heavy(head, row, index_range(seen.begin, seen.end), options.alpha, scores, wanted);
      const auto list = lists.row(row);
      const auto found = std::count_if(wanted.begin(), wanted.end(), [&](std::int32_t key) {
        return std::binary_search(list.begin(), list.end(), key);
      });
      parts[static_cast<std::size_t>(s)] = {found, std::ssize(wanted)};
    };
  });
  SearchRecall sum;
  for (const SearchRecall& part : parts) sum.add(part);
  return sum;
}

}  // namespace subquad
