#include "kernels/select.h"

#include <algorithm>
#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/select.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;  // a word of bits holds a whole number of vectors
using V = hn::Vec<D>;
using Ids = hn::RebindToSigned<D>;

constexpr int64_t kWord = 32;
constexpr float kMasked = -std::numeric_limits<float>::infinity();

HWY_INLINE int64_t lanes_of(D d) { return static_cast<int64_t>(hn::Lanes(d)); }

HWY_INLINE uint32_t bits_of(hn::Mask<D> mask) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(D(), mask, bytes);
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
}

// One bit for each of a word's scores that passes.
template <class Test>
HWY_INLINE uint32_t test_word(const float* scores, const Test& test) {
  const D d;
  const int64_t lanes = lanes_of(d);
  uint32_t word = 0;
  for (int64_t v = 0; v < kWord; v += lanes) word |= bits_of(test(hn::LoadU(d, scores + v))) << v;
  return word;
}

#if HWY_TARGET == HWY_AVX2
// Highway's own Compress goes through a table that GCC copies to the stack at each use.
struct CompressTable {
  alignas(32) int32_t lanes[256][8] = {};
  constexpr CompressTable() {
    for (int bits = 0; bits < 256; ++bits)
      for (int lane = 0, count = 0; lane < 8; ++lane)
        if ((bits >> lane & 1) != 0) lanes[bits][count++] = lane;
  }
};
constexpr CompressTable kCompress;

// Appends the scores whose bit is set, and their ids; writes whole vectors.
HWY_INLINE int64_t keep_scores(const float* scores, uint32_t bits, int32_t id, float* kept_scores,
                               int32_t* kept_ids) {
  const D d;
  const Ids di;
  int64_t count = 0;
  for (int32_t v = 0; v < kWord; v += 8) {
    const uint32_t part = bits >> v & 255;
    const auto order = hn::Load(di, kCompress.lanes[part]);
    const auto s = hn::TableLookupLanes(hn::LoadU(d, scores + v), hn::IndicesFromVec(d, order));
    hn::StoreU(s, d, kept_scores + count);
    hn::StoreU(hn::Add(order, hn::Set(di, id + v)), di, kept_ids + count);
    count += static_cast<int64_t>(hwy::PopCount(part));
  }
  return count;
}
#else
// Appends the scores whose bit is set, and their ids.
HWY_INLINE int64_t keep_scores(const float* scores, uint32_t bits, int32_t id, float* kept_scores,
                               int32_t* kept_ids) {
  int64_t count = 0;
  for (; bits != 0; bits &= bits - 1, ++count) {
    const auto c = static_cast<int32_t>(hwy::Num0BitsBelowLS1Bit_Nonzero32(bits));
    kept_scores[count] = scores[c];
    kept_ids[count] = id + c;
  }
  return count;
}
#endif

HWY_INLINE void set_bits(uint32_t word, int64_t first, uint32_t* bits) {
  const int64_t shift = first % kWord;
  bits[first / kWord] |= word << shift;
  if (shift != 0) bits[first / kWord + 1] |= word >> (kWord - shift);
}

SplitResult SplitScores(const float* scores, int64_t count, float low, float high, int32_t first,
                        uint32_t* bits, float* kept_scores, int32_t* kept_ids) {
  const V lowest = hn::Set(D(), low), highest = hn::Set(D(), high);
  HWY_ALIGN float tail[kWord];
  SplitResult result;
  for (int64_t c = 0; c < count; c += kWord) {
    const int64_t here = std::min(kWord, count - c);
    const float* from = scores + c;
    if (here < kWord) {
      std::fill(std::copy_n(from, here, tail), tail + kWord, kMasked);
      from = tail;
    }
    const uint32_t below = test_word(from, [&](V s) HWY_ATTR { return hn::Lt(s, lowest); });
    if (below == ~0U) continue;
    const uint32_t within = test_word(from, [&](V s) HWY_ATTR { return hn::Le(s, highest); });
    const auto id = static_cast<int32_t>(first + c);
    result.between += keep_scores(from, within & ~below, id, kept_scores + result.between,
                                  kept_ids + result.between);
    result.above += static_cast<int64_t>(hwy::PopCount(~within));
    if (bits != nullptr && within != ~0U) set_bits(~within, id, bits);
  }
  return result;
}

int64_t CountAtLeast(const float* scores, int64_t count, float threshold) {
  const D d;
  const Ids di;
  const int64_t lanes = lanes_of(d);
  const V at = hn::Set(d, threshold);
  const auto step = [&](auto sum, int64_t c) HWY_ATTR {
    const auto mask = hn::RebindMask(di, hn::Ge(hn::LoadU(d, scores + c), at));
    return hn::Sub(sum, hn::VecFromMask(di, mask));
  };
  auto sum0 = hn::Zero(di), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  int64_t c = 0;
  for (; c + 4 * lanes <= count; c += 4 * lanes) {
    sum0 = step(sum0, c);
    sum1 = step(sum1, c + lanes);
    sum2 = step(sum2, c + 2 * lanes);
    sum3 = step(sum3, c + 3 * lanes);
  }
  for (; c + lanes <= count; c += lanes) sum0 = step(sum0, c);
  const auto sum = hn::SumOfLanes(di, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
  int64_t total = hn::GetLane(sum);
  for (; c < count; ++c) total += scores[c] >= threshold ? 1 : 0;
  return total;
}

ScoreRange RangeOfScores(const float* scores, int64_t count) {
  const D d;
  const int64_t lanes = lanes_of(d);
  ScoreRange range{scores[0], scores[0]};
  V low = hn::Set(d, scores[0]), high = low;
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    const V s = hn::LoadU(d, scores + c);
    low = hn::Min(low, s);
    high = hn::Max(high, s);
  }
  range = {hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
  for (; c < count; ++c) range = {std::min(range.low, scores[c]), std::max(range.high, scores[c])};
  return range;
}

void RaiseNan(float* scores, int64_t count) {
  const D d;
  const int64_t lanes = lanes_of(d);
  constexpr float kHighest = std::numeric_limits<float>::infinity();
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    const V s = hn::LoadU(d, scores + c);
    hn::StoreU(hn::IfThenElse(hn::Eq(s, s), s, hn::Set(d, kHighest)), d, scores + c);
  }
  for (; c < count; ++c) scores[c] = scores[c] == scores[c] ? scores[c] : kHighest;
}

HWY_INLINE uint32_t read_word(const uint32_t* bits, int64_t first) {
  const int64_t shift = first % kWord;
  const uint32_t word = bits[first / kWord] >> shift;
  return shift == 0 ? word : word | bits[first / kWord + 1] << (kWord - shift);
}

template <bool marked>
void mask_by_bits(float* scores, const uint32_t* bits, int64_t first, int64_t count) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const int64_t lanes = lanes_of(d);
  const auto places = hn::Shl(hn::Set(du, 1), hn::Iota(du, 0));
  for (int64_t c = 0; c < count; c += kWord) {
    const int64_t here = std::min(kWord, count - c);
    const uint32_t word = marked ? read_word(bits, first + c) : ~read_word(bits, first + c);
    if (word == 0) continue;
    auto words = hn::Set(du, word);
    int64_t v = 0;
    for (; v + lanes <= here;
         v += lanes, words = hn::ShiftRightSame(words, static_cast<int>(lanes))) {
      const auto masked = hn::RebindMask(d, hn::Eq(hn::And(words, places), places));
      const V s = hn::LoadU(d, scores + c + v);
      hn::StoreU(hn::IfThenElse(masked, hn::Set(d, kMasked), s), d, scores + c + v);
    }
    for (; v < here; ++v)
      if ((word >> v & 1) != 0) scores[c + v] = kMasked;
  }
}

void MaskMarked(float* scores, const uint32_t* bits, int64_t first, int64_t count) {
  mask_by_bits<true>(scores, bits, first, count);
}

void MaskUnmarked(float* scores, const uint32_t* bits, int64_t first, int64_t count) {
  mask_by_bits<false>(scores, bits, first, count);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(SplitScores);
HWY_EXPORT(CountAtLeast);
HWY_EXPORT(RangeOfScores);
HWY_EXPORT(RaiseNan);
HWY_EXPORT(MaskMarked);
HWY_EXPORT(MaskUnmarked);

SplitResult split_scores(const float* scores, std::int64_t count, float low, float high,
                         std::int32_t first, std::uint32_t* bits, float* kept_scores,
                         std::int32_t* kept_ids) {
  return HWY_DYNAMIC_DISPATCH(SplitScores)(scores, count, low, high, first, bits, kept_scores,
                                           kept_ids);
}
std::int64_t count_at_least(const float* scores, std::int64_t count, float threshold) {
  return HWY_DYNAMIC_DISPATCH(CountAtLeast)(scores, count, threshold);
}
ScoreRange score_range(const float* scores, std::int64_t count) {
  return HWY_DYNAMIC_DISPATCH(RangeOfScores)(scores, count);
}
void raise_nan(float* scores, std::int64_t count) { HWY_DYNAMIC_DISPATCH(RaiseNan)(scores, count); }
void mask_marked(float* scores, const std::uint32_t* bits, std::int64_t first, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(MaskMarked)(scores, bits, first, count);
}
void mask_unmarked(float* scores, const std::uint32_t* bits, std::int64_t first,
                   std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(MaskUnmarked)(scores, bits, first, count);
}

}  // namespace subquad::kernels
#endif
