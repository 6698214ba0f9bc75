#include "rows/head_rows.h"

#include <algorithm>

#include "kernels/pack.h"

namespace subquad {
namespace {

kernels::RowSource source_of(const HeadProblem& head, const TensorView& view, std::int64_t row) {
  return {head.row_in(view, row), view.dtype, view.stride[2], view.channels(), nullptr, 0, 1};
}

// A run of rows: one strided load for each query head of the group.
void load_run(const HeadProblem& head, const TensorView& view, const IndexList& rows, float factor,
              float* out, std::int64_t width) {
  for (std::int64_t begin = 0; begin < std::min(head.group, rows.count); ++begin) {
    kernels::RowSource source = source_of(head, view, rows[begin]);
    source.count = (rows.count - begin + head.group - 1) / head.group;
    kernels::load_rows(source, factor, out + begin * width, head.group * width, width);
  }
}

}  // namespace

void load_head_rows(const HeadProblem& head, const TensorView& view, const IndexList& rows,
                    float factor, float* out, std::int64_t width) {
  if (rows.count == 0) return;
  if (rows.contiguous()) return load_run(head, view, rows, factor, out, width);
  if (head.group == 1) {  // rows are positions
    kernels::RowSource source = source_of(head, view, 0);
    source.ids = rows.ids;
    source.count = rows.count;
    return kernels::load_rows(source, factor, out, width, width);
  }
  for (std::int64_t i = 0; i < rows.count; ++i)
    kernels::load_rows(source_of(head, view, rows[i]), factor, out + i * width, width, width);
}

}  // namespace subquad
