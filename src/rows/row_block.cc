#include "rows/row_block.h"

#include <algorithm>

#include "rows/head_rows.h"
#include "rows/overflows.h"

namespace subquad {

RowBlock::RowBlock(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      capacity_(capacity),
      queries_(capacity * head_dim),
      sums_(capacity, value_dim) {}

void RowBlock::load(const HeadProblem& head, const IndexList& rows) {
  rows_ = rows;
  load_head_rows(head, head.problem->query, rows, head.scale_log2, queries_.data(), head_dim_);
  calm_ = is_calm(queries_.data(), rows.count * head_dim_);
  set_identity(partial());
}

void RowBlock::save(const Range& part) {
  if (saved_.empty()) saved_ = PartialBuffer(capacity_, value_dim_);
  const std::int64_t count = part.end - part.begin;
  copy_partial(partial().slice(part.begin, count), saved_.view(capacity_).slice(part.begin, count));
}

void RowBlock::restore(const Range& part) {
  const std::int64_t count = part.end - part.begin;
  copy_partial(saved_.view(capacity_).slice(part.begin, count), partial().slice(part.begin, count));
}

void RowBlock::open_side(Sums sums) {
  wanted_ = sums;
  if (side_.empty()) side_ = PartialBuffer(capacity_, value_dim_);
  aside_ = true;
  set_identity(partial());
}

void RowBlock::close_side() {
  const Partial side = partial();
  if (wanted_ == Sums::values) std::fill_n(side.l, side.rows, 0.0f);
  if (wanted_ == Sums::weights) std::fill_n(side.o, side.rows * side.o_stride, 0.0f);
  aside_ = false;
  wanted_ = Sums::both;
  merge_into(partial(), side);
}

}  // namespace subquad
