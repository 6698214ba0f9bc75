#include "diagnose/row_sample.h"

#include "core/sampling.h"

namespace subquad {

std::vector<std::int32_t> sample_rows(const HeadProblem& head, std::int64_t count, const Rng& rng) {
  std::vector<std::int32_t> rows;
  for (const std::int64_t position : sample_without_replacement(head.query_len, count, rng))
    for (std::int64_t g = 0; g < head.group; ++g)
      rows.push_back(static_cast<std::int32_t>(position * head.group + g));
  return rows;
}

}  // namespace subquad
