#include "kernels/pack.h"

#include <algorithm>
#include <cstring>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pack.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/convert-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

inline int64_t panel_width() { return 2 * static_cast<int64_t>(hn::Lanes(D())); }

template <class Storage>
void load_row(const typename Storage::Bits* from, int64_t width, float factor, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto scale = hn::Set(d, factor);
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes)
    hn::StoreU(hn::Mul(scale, Storage::load(d, from + c)), d, out + c);
  for (; c < width; ++c) out[c] = factor * Storage::one(from[c]);
}

void LoadRows(const RowSource& source, float factor, float* out, int64_t stride, int64_t padded) {
  with_storage(source.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    for (int64_t j = 0; j < source.count; ++j) {
      float* row = out + j * stride;
      load_row<Storage>(static_cast<const typename Storage::Bits*>(source.row(j)), source.width,
                        factor, row);
      std::fill(row + source.width, row + padded, 0.0f);
    }
  });
}

// Rows r0..r0+3 of the panel, channels [from, to), one value at a time.
template <class Storage>
void transpose_slowly(const RowSource& source, int64_t first, int64_t rows, int64_t from,
                      float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const auto* row = static_cast<const typename Storage::Bits*>(source.row(first + r));
    for (int64_t c = from; c < source.width; ++c) out[c * panel_width() + r] = Storage::one(row[c]);
  }
}

// Four rows side by side into columns out[.. + 0..3] of the panel; returns the channels done.
template <class Storage>
int64_t transpose_four(const RowSource& source, int64_t first, float* out) {
#if HWY_TARGET == HWY_SCALAR
  (void)source, (void)first, (void)out;
  return 0;
#else
  const hn::FixedTag<float, 4> d4;
  const hn::RepartitionToWide<decltype(d4)> d2;
  const int64_t panel = panel_width();
  const typename Storage::Bits* row[4];
  for (int64_t r = 0; r < 4; ++r)
    row[r] = static_cast<const typename Storage::Bits*>(source.row(first + r));
  int64_t c = 0;
  for (; c + 4 <= source.width; c += 4) {
    const auto a0 = Storage::load(d4, row[0] + c), a1 = Storage::load(d4, row[1] + c);
    const auto a2 = Storage::load(d4, row[2] + c), a3 = Storage::load(d4, row[3] + c);
    const auto b0 = hn::BitCast(d2, hn::InterleaveLower(d4, a0, a1));
    const auto b1 = hn::BitCast(d2, hn::InterleaveUpper(d4, a0, a1));
    const auto b2 = hn::BitCast(d2, hn::InterleaveLower(d4, a2, a3));
    const auto b3 = hn::BitCast(d2, hn::InterleaveUpper(d4, a2, a3));
    float* to = out + c * panel;
    hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, b0, b2)), d4, to);
    hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, b0, b2)), d4, to + panel);
    hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, b1, b3)), d4, to + 2 * panel);
    hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, b1, b3)), d4, to + 3 * panel);
  }
  return c;
#endif
}

template <class Storage>
void transpose_panel(const RowSource& source, int64_t first, int64_t rows, float* out) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const int64_t done = transpose_four<Storage>(source, first + r, out + r);
    transpose_slowly<Storage>(source, first + r, 4, done, out + r);
  }
  transpose_slowly<Storage>(source, first + r, rows - r, 0, out + r);
}

int64_t PackTransposed(const RowSource& source, float* out) {
  const int64_t panel = panel_width(), panel_stride = panel * source.width;
  for (int64_t first = 0; first < source.count; first += panel, out += panel_stride) {
    const int64_t rows = std::min(panel, source.count - first);
    if (rows < panel) std::memset(out, 0, sizeof(float) * static_cast<size_t>(panel_stride));
    with_storage(source.dtype, [&](auto storage) HWY_ATTR {
      transpose_panel<decltype(storage)>(source, first, rows, out);
    });
  }
  return panel_stride;
}

// One row into its panels; adds 0 * x to `check`, which turns NaN if any x is not finite.
template <class Storage>
HWY_INLINE void pack_row(const typename Storage::Bits* from, int64_t width, float* out,
                         int64_t panel_stride, hn::Vec<D>& check, float& tail_check) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t panel = 2 * lanes;
  const auto zero = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes) {
    const auto x = Storage::load(d, from + c);
    check = hn::MulAdd(x, zero, check);
    hn::StoreU(x, d, out + c / panel * panel_stride + c % panel);
  }
  const int64_t end = (width + panel - 1) / panel * panel;
  for (; c < end; ++c) {
    const float x = c < width ? Storage::one(from[c]) : 0.0f;
    tail_check += 0.0f * x;
    out[c / panel * panel_stride + c % panel] = x;
  }
}

bool PackRows(const RowSource& source, float* out, int64_t panel_stride) {
  const D d;
  const int64_t panel = panel_width();
  auto check = hn::Zero(d);
  float tail_check = 0.0f;
  with_storage(source.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    for (int64_t j = 0; j < source.count; ++j)
      pack_row<Storage>(static_cast<const typename Storage::Bits*>(source.row(j)), source.width,
                        out + j * panel, panel_stride, check, tail_check);
  });
  return hn::AllTrue(d, hn::Eq(check, hn::Zero(d))) && tail_check == 0.0f;
}

bool AllFinite(const RowSource& source) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  auto check = zero;
  float tail_check = 0.0f;
  with_storage(source.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    for (int64_t j = 0; j < source.count; ++j) {
      const auto* row = static_cast<const typename Storage::Bits*>(source.row(j));
      int64_t c = 0;
      for (; c + lanes <= source.width; c += lanes)
        check = hn::MulAdd(Storage::load(d, row + c), zero, check);
      for (; c < source.width; ++c) tail_check += 0.0f * Storage::one(row[c]);
    }
  });
  return hn::AllTrue(d, hn::Eq(check, zero)) && tail_check == 0.0f;
}

void StoreRow(const float* values, int64_t width, float factor, DType dtype, void* out) {
  if (dtype == DType::f32) {
    load_row<F32>(values, width, factor, static_cast<float*>(out));
    return;
  }
  auto* bits = static_cast<uint16_t*>(out);
  for (int64_t c = 0; c < width; ++c) {
    const float x = factor * values[c];
    bits[c] = dtype == DType::bf16 ? f32_to_bf16(x) : f32_to_f16(x);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(LoadRows);
HWY_EXPORT(PackTransposed);
HWY_EXPORT(PackRows);
HWY_EXPORT(AllFinite);
HWY_EXPORT(StoreRow);

void load_rows(const RowSource& source, float factor, float* out, std::int64_t stride,
               std::int64_t padded) {
  HWY_DYNAMIC_DISPATCH(LoadRows)(source, factor, out, stride, padded);
}

std::int64_t pack_transposed(const RowSource& source, float* out) {
  return HWY_DYNAMIC_DISPATCH(PackTransposed)(source, out);
}

bool pack_rows(const RowSource& source, float* out, std::int64_t panel_stride) {
  return HWY_DYNAMIC_DISPATCH(PackRows)(source, out, panel_stride);
}

bool all_finite(const RowSource& source) { return HWY_DYNAMIC_DISPATCH(AllFinite)(source); }

void store_row(const float* values, std::int64_t width, float factor, DType dtype, void* out) {
  HWY_DYNAMIC_DISPATCH(StoreRow)(values, width, factor, dtype, out);
}

}  // namespace subquad::kernels
#endif
