#include "exact/backward_panels.h"

#include <algorithm>
#include <cmath>

#include "kernels/backward.h"
#include "merge/partial.h"

namespace subquad {

RowPanels::RowPanels(std::int64_t width, std::int64_t capacity)
    : width_(width), panel_(kernels::blocking().panel), packed_(capacity * padded_values(width)) {}

void RowPanels::pack(const kernels::RowSource& source) {
  source_ = source;
  panel_stride_ = source.count * panel_;
  wild_.clear();
  if (!kernels::pack_rows(source, packed_.data(), panel_stride_)) isolate_wild_rows();
}

kernels::RightMatrix RowPanels::from(std::int64_t begin) const {
  return {packed_.data() + begin * panel_, panel_stride_, panel_};
}

void RowPanels::load(std::int64_t row, float* out) const {
  kernels::load_rows(source_.slice(row, 1), 1.0f, out, width_, width_);
}

void RowPanels::isolate_wild_rows() {
  std::vector<float> values(static_cast<std::size_t>(width_));
  for (std::int64_t row = 0; row < source_.count; ++row) {
    load(row, values.data());
    if (std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }))
      continue;
    wild_.push_back(row);
    for (std::int64_t c = 0; c < width_; c += panel_)
      std::fill_n(packed_.data() + c / panel_ * panel_stride_ + row * panel_, panel_, 0.0f);
  }
}

void multiply_seen(const WeightedLeft& left, const RowPanels& b, std::int64_t begin,
                   std::int64_t rows, std::int64_t depth, float* c, std::int64_t ldc,
                   bool accumulate) {
  kernels::gemm(left.a, b.from(begin), rows, b.width(), depth, c, ldc, accumulate);
  if (b.wild().empty()) return;
  std::vector<float> values(static_cast<std::size_t>(b.width()));
  for (const std::int64_t wild : b.wild()) {
    if (wild < begin || wild >= begin + depth) continue;
    b.load(wild, values.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = r * left.a.row_stride + (wild - begin) * left.a.depth_stride;
      if (kernels::is_masked(left.weights[at])) continue;
      kernels::add_rows(values.data(), 0, 1, b.width(), left.a.data[at], c + r * ldc, 0);
    }
  }
}

}  // namespace subquad
