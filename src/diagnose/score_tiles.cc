#include "diagnose/score_tiles.h"

namespace subquad {

ScoreTiles::ScoreTiles(std::int64_t head_dim, std::int64_t max_rows, std::int64_t max_keys)
    : rows_(head_dim, 1, max_rows), tile_(head_dim, 1, max_keys), panel_(max_keys) {}

void ScoreTiles::score(const HeadProblem& head, const Range& rows, const Range& columns) {
  tile_.score(rows_.query(rows.begin), rows.end - rows.begin, columns, panel_.data(),
              panel_.stride());
  for (std::int64_t r = rows.begin; r < rows.end; ++r)
    filter_row(head, rows_.rows()[r], tile_.keys(), columns, nullptr,
               panel_.data() + (r - rows.begin) * panel_.stride(), panel_.filter());
}

}  // namespace subquad
