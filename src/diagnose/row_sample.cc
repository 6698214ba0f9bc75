#include "diagnose/row_sample.h"

#include <algorithm>
#include <utility>

namespace subquad {

// The positions with the smallest random keys.
std::vector<std::int32_t> sample_rows(const HeadProblem& head, std::int64_t count, const Rng& rng) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keyed;
  for (std::int64_t i = 0; i < head.query_len; ++i)
    keyed.emplace_back(rng.bits(Purpose::probe_row, 0, static_cast<std::uint32_t>(i)), i);
  const auto end = keyed.begin() + count;
  std::nth_element(keyed.begin(), end, keyed.end());
  std::vector<std::int32_t> rows;
  for (auto at = keyed.begin(); at != end; ++at)
    for (std::int64_t g = 0; g < head.group; ++g)
      rows.push_back(static_cast<std::int32_t>(at->second * head.group + g));
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace subquad
