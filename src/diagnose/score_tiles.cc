#include "diagnose/score_tiles.h"

#include "kernels/gemm.h"

namespace subquad {

ScoreTiles::ScoreTiles(std::int64_t head_dim, std::int64_t max_rows, std::int64_t max_keys)
    : rows_(head_dim, 1, max_rows), tile_(head_dim, 1, max_keys), panel_(max_keys) {}

void ScoreTiles::score(const HeadProblem& head, const Range& rows, const Range& columns) {
  kernels::gemm({rows_.query(rows.begin), rows_.head_dim(), 1}, tile_.keys_from(columns.begin),
                rows.end - rows.begin, columns.end - columns.begin, rows_.head_dim(), panel_.data(),
                panel_.stride(), false);
  for (std::int64_t r = rows.begin; r < rows.end; ++r)
    filter_row(head, rows_.rows()[r], tile_.keys(), columns, nullptr,
               panel_.data() + (r - rows.begin) * panel_.stride(), panel_.filter());
}

}  // namespace subquad
