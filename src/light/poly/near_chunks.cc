#include "light/poly/near_chunks.h"

namespace subquad {

// The rows of a group are of one chunk.
void NearChunks::add_runs(const IndexList& rows, std::int64_t, RunList& runs) const {
  const std::int64_t begin = held_.key_end(held_.chunk_of(rows[0]));
  const std::int64_t end = head_.visible(rows[rows.count - 1]).end;
  if (begin < end) runs.add({.rows = {0, rows.count}, .keys = index_range(begin, end)});
}

void NearChunks::remove(const IndexList& rows, const IndexList& keys, float* scores,
                        std::int64_t stride, FilterScratch&) const {
  for (std::int64_t r = 0; r < rows.count; ++r)
    mask_keys_inside(keys, {held_.key_end(held_.chunk_of(rows[r])), head_.num_keys},
                     scores + r * stride);
}

}  // namespace subquad
