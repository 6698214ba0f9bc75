#include "heavy/expander/expander_search.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "kernels/gemm.h"
#include "subquad/error.h"

namespace subquad {

PackedRows::PackedRows(const kernels::RowSource& rows) : count_(rows.count), width_(rows.width) {
  const std::int64_t panel = kernels::blocking().panel;
  stride_ = (count_ + panel - 1) / panel * panel;
  packed_ = Scratch<float>(stride_ * width_);
  panel_stride_ = kernels::pack_transposed(rows, packed_.data());
}

void PackedRows::multiply(const KeyBlock& keys, float* out) const {
  // Panels that stay in the second cache while all keys pass.
  constexpr std::int64_t kColumns = 512;
  const std::int64_t panel = kernels::blocking().panel;
  for (std::int64_t begin = 0; begin < count_; begin += kColumns)
    kernels::gemm({keys.key(0), width_, 1},
                  {packed_.data() + begin / panel * panel_stride_, panel_stride_, panel},
                  keys.count(), std::min(kColumns, count_ - begin), width_, out + begin, stride_,
                  false);
}

Scratch<float> sketch_room(std::int64_t rows, std::int64_t width) {
  if (rows > (std::int64_t{1} << 31) / width)
    throw_invalid(
        fmt::format("expander: tau, width and repetitions ask for a sketch of {} rows of {} "
                    "channels; take mode=leverage or a smaller tau",
                    rows, width));
  return Scratch<float>(rows * width);
}

void append_at_least(const float* x, std::int64_t count, float least,
                     std::vector<std::int32_t>& indices) {
  constexpr std::int64_t kStep = 16;  // most steps have none: one branch each
  for (std::int64_t begin = 0; begin < count; begin += kStep) {
    const std::int64_t end = std::min(count, begin + kStep);
    int any = 0;
    for (std::int64_t i = begin; i < end; ++i) any |= std::fabs(x[i]) >= least ? 1 : 0;
    for (std::int64_t i = begin; any != 0 && i < end; ++i)
      if (std::fabs(x[i]) >= least) indices.push_back(static_cast<std::int32_t>(i));
  }
}

RowBuckets::RowBuckets(const Scratch<std::int32_t>& bucket_of_row, std::int64_t num_buckets)
    : offsets(static_cast<std::size_t>(num_buckets) + 1, 0), rows(bucket_of_row.size()) {
  for (const std::int32_t bucket : bucket_of_row.span())
    ++offsets[static_cast<std::size_t>(bucket) + 1];
  for (std::size_t b = 1; b < offsets.size(); ++b) offsets[b] += offsets[b - 1];
  std::vector<std::int64_t> next = offsets;
  for (std::int64_t i = 0; i < rows.size(); ++i)
    rows[next[static_cast<std::size_t>(bucket_of_row[i])]++] = static_cast<std::int32_t>(i);
}

}  // namespace subquad
