#include "kernels/tiles/tile_split.h"

#include "core/targets.h"
#include "kernels/tiles/tile_pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tiles/tile_split.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// The next piece of x, stored; what is left of it stays.
HWY_INLINE void TakePiece(D d, V& x, bool wanted, uint16_t* out) {
  const hn::RebindToUnsigned<D> u;
  const hn::Rebind<uint16_t, D> words;
  const auto bits = hn::Add(hn::BitCast(u, x), hn::Set(u, kPieceRounding));
  if (wanted) hn::StoreU(hn::TruncateTo(words, hn::ShiftRight<16>(bits)), words, out);
  x = hn::Sub(x, hn::BitCast(d, hn::And(bits, hn::Set(u, kPieceBits))));
}

struct VectorSquares {
  V whole, mid, rest;
};

HWY_INLINE void SplitVector(D d, V x, int pieces, uint16_t* out, int64_t stride,
                            VectorSquares& squares) {
  squares.whole = hn::MulAdd(x, x, squares.whole);
  TakePiece(d, x, true, out);
  squares.mid = hn::MulAdd(x, x, squares.mid);
  TakePiece(d, x, pieces > 1, out + stride);
  squares.rest = hn::MulAdd(x, x, squares.rest);
  TakePiece(d, x, pieces > 2, out + 2 * stride);
}

PieceSquares SplitRow(const float* x, int64_t width, int pieces, uint16_t* out, int64_t stride) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  VectorSquares squares{hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes)
    SplitVector(d, hn::LoadU(d, x + c), pieces, out + c, stride, squares);
  if (c < width) {
    HWY_ALIGN float last[hn::MaxLanes(d)] = {};
    HWY_ALIGN uint16_t words[kMostPieces * hn::MaxLanes(d)];
    for (int64_t i = c; i < width; ++i) last[i - c] = x[i];
    SplitVector(d, hn::Load(d, last), pieces, words, lanes, squares);
    for (int p = 0; p < pieces; ++p)
      for (int64_t i = c; i < width; ++i) out[p * stride + i] = words[p * lanes + i - c];
  }
  return {hn::GetLane(hn::SumOfLanes(d, squares.whole)),
          hn::GetLane(hn::SumOfLanes(d, squares.mid)),
          hn::GetLane(hn::SumOfLanes(d, squares.rest))};
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(SplitRow);

PieceSquares split_row(const float* x, std::int64_t width, int pieces, std::uint16_t* out,
                       std::int64_t stride) {
  return HWY_DYNAMIC_DISPATCH(SplitRow)(x, width, pieces, out, stride);
}

}  // namespace subquad::kernels
#endif
