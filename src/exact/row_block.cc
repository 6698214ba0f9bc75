#include "exact/row_block.h"

namespace subquad {

RowBlock::RowBlock(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim), queries_(capacity * head_dim), sums_(capacity, value_dim) {}

void RowBlock::load(const HeadProblem& head, const IndexList& rows) {
  rows_ = rows;
  kernels::RowSource source{nullptr, head.problem->query.dtype, 0, head_dim_, nullptr, 0, 1};
  for (std::int64_t i = 0; i < rows.count; ++i) {
    source.base = head.row_in(head.problem->query, rows[i]);
    kernels::load_rows(source, head.scale_log2, queries_.data() + i * head_dim_, head_dim_,
                       head_dim_);
  }
  set_identity(partial());
}

void RowBlock::save() {
  const Partial sums = partial();
  if (saved_rows_ < sums.rows) {
    saved_ = PartialBuffer(sums.rows, sums.value_dim);
    saved_rows_ = sums.rows;
  }
  copy_partial(sums, saved_.view(sums.rows));
}

void RowBlock::restore() { copy_partial(saved_.view(rows_.count), partial()); }

}  // namespace subquad
