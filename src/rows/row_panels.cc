#include "rows/row_panels.h"

#include <algorithm>
#include <cmath>

#include "rows/partial.h"

namespace subquad {

RowPanels::RowPanels(std::int64_t width, std::int64_t capacity)
    : width_(width), panel_(kernels::blocking().panel), packed_(capacity * padded_values(width)) {}

void RowPanels::pack(const kernels::RowSource& source) {
  source_ = source;
  wild_.clear();
  if (use_in_place()) return;
  matrix_ = {packed_.data(), source.count * panel_, panel_};
  if (!kernels::pack_rows(source, packed_.data(), matrix_.panel_stride))
    isolate_wild_rows(packed_.data());
}

// Plain f32 rows that lie close together serve as they are, when there is nothing to isolate.
bool RowPanels::use_in_place() {
  constexpr std::int64_t kCloseRows = 512;  // floats: beyond, rows cost a page each
  const bool plain = source_.dtype == DType::f32 && source_.ids == nullptr && source_.stride > 0 &&
                     source_.stride <= kCloseRows && width_ % kernels::blocking().lanes == 0;
  if (!plain || !kernels::all_finite(source_)) return false;
  matrix_ = {static_cast<const float*>(source_.row(0)), panel_, source_.stride};
  return true;
}

void RowPanels::load(std::int64_t row, float* out) const {
  kernels::load_rows(source_.slice(row, 1), 1.0f, out, width_, width_);
}

void RowPanels::isolate_wild_rows(float* packed) {
  std::vector<float> values(static_cast<std::size_t>(width_));
  for (std::int64_t row = 0; row < source_.count; ++row) {
    load(row, values.data());
    if (std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }))
      continue;
    wild_.push_back(row);
    for (std::int64_t c = 0; c < width_; c += panel_)
      std::fill_n(packed + c / panel_ * matrix_.panel_stride + row * panel_, panel_, 0.0f);
  }
}

}  // namespace subquad
