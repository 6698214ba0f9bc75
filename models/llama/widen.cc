#include "llama/widen.h"

#include <cstddef>
#include <cstring>

#include "core/targets.h"
#include "kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "llama/widen.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// A block holds its scale d and for some a minimum m, both f16, and integers q that stand for
// d q + m (m = -d middle where it is not stored).
HWY_BEFORE_NAMESPACE();
namespace subquad::llama::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Bytes = const std::uint8_t*;
using Place = std::ptrdiff_t;
// At most the 16 entries that share a scale in every format.
using D = hn::CappedTag<float, 16>;
using Ints = hn::Rebind<std::int32_t, D>;
using Small = hn::Rebind<std::uint8_t, D>;
using Int = hn::Vec<Ints>;
constexpr std::size_t part = 16;

HWY_INLINE float half_at(Bytes data) {
  std::uint16_t bits;
  std::memcpy(&bits, data, sizeof(bits));
  return f16_to_f32(bits);
}

// Lanes of q for the entries from i on, of the 16 whose bytes are at `packed`.
HWY_INLINE Int low_bits(Bytes packed, std::size_t i) {
  const Small small;
  const auto bytes = hn::LoadU(small, packed + i);
  return hn::PromoteTo(Ints(), hn::And(bytes, hn::Set(small, 15)));
}
HWY_INLINE Int high_bits(Bytes packed, std::size_t i) {
  return hn::ShiftRight<4>(hn::PromoteTo(Ints(), hn::LoadU(Small(), packed + i)));
}

// out[i] = d q(i) + m for 16 entries; q gives a vector of them.
template <class Entries>
HWY_INLINE void widen_part(const Entries& q, float d, float m, float* HWY_RESTRICT out) {
  const D lanes;
  const auto scale = hn::Set(lanes, d), minimum = hn::Set(lanes, m);
  for (std::size_t i = 0; i < part; i += hn::Lanes(lanes))
    hn::StoreU(hn::MulAdd(hn::ConvertTo(lanes, q(i)), scale, minimum), lanes, out + i);
}

// Bytes 0 to 33: d, 32 signed entries.
HWY_INLINE void widen_q8_0(Bytes block, float* HWY_RESTRICT out) {
  const float d = half_at(block);
  for (std::size_t begin = 0; begin < 32; begin += part) {
    const auto q = [&](std::size_t i) HWY_ATTR {
      const hn::Rebind<std::int8_t, D> small;
      const auto* entries = reinterpret_cast<const std::int8_t*>(block + 2 + begin);
      return hn::PromoteTo(Ints(), hn::LoadU(small, entries + i));
    };
    widen_part(q, d, 0, out + begin);
  }
}

// 16 bytes of two entries each: the low halves are entries 0 to 15, the high ones 16 to 31.
HWY_INLINE void widen_4_bits(Bytes packed, float d, float m, float* HWY_RESTRICT out) {
  widen_part([=](std::size_t i) HWY_ATTR { return low_bits(packed, i); }, d, m, out);
  widen_part([=](std::size_t i) HWY_ATTR { return high_bits(packed, i); }, d, m, out + part);
}

// 16, where bit i + lane of `bits` is set.
HWY_INLINE Int fifth_bits(std::uint32_t bits, std::size_t i) {
  const hn::Rebind<std::uint32_t, D> words;
  const auto place = hn::Iota(words, static_cast<std::uint32_t>(i));
  const auto bit = hn::And(hn::Shr(hn::Set(words, bits), place), hn::Set(words, 1));
  return hn::BitCast(Ints(), hn::ShiftLeft<4>(bit));
}

// As widen_4_bits, bit i of `high` being the fifth of entry i.
HWY_INLINE void widen_5_bits(Bytes packed, Bytes high, float d, float m, float* HWY_RESTRICT out) {
  std::uint32_t bits;
  std::memcpy(&bits, high, sizeof(bits));
  const auto first = [=](std::size_t i)
                         HWY_ATTR { return hn::Or(low_bits(packed, i), fifth_bits(bits, i)); };
  const auto second = [=](std::size_t i) HWY_ATTR {
    return hn::Or(high_bits(packed, i), fifth_bits(bits >> part, i));
  };
  widen_part(first, d, m, out);
  widen_part(second, d, m, out + part);
}

HWY_INLINE void widen_q4_0(Bytes block, float* HWY_RESTRICT out) {
  const float d = half_at(block);
  widen_4_bits(block + 2, d, -8 * d, out);
}

HWY_INLINE void widen_q4_1(Bytes block, float* HWY_RESTRICT out) {
  widen_4_bits(block + 4, half_at(block), half_at(block + 2), out);
}

HWY_INLINE void widen_q5_0(Bytes block, float* HWY_RESTRICT out) {
  const float d = half_at(block);
  widen_5_bits(block + 6, block + 2, d, -16 * d, out);
}

HWY_INLINE void widen_q5_1(Bytes block, float* HWY_RESTRICT out) {
  widen_5_bits(block + 8, block + 4, half_at(block), half_at(block + 2), out);
}

// Scale and minimum of group j of 8, six bits each in 12 bytes: those of groups 4 to 7 have their
// upper two bits where groups 0 to 3 leave room.
struct GroupScale {
  int scale, minimum;
};
HWY_INLINE GroupScale group_scale(Bytes packed, Place j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4),
          (packed[j + 4] >> 4) | (packed[j] >> 6 << 4)};
}

struct Affine {
  float scale, minimum;
};
// Bytes: d, m, 12 of scales.
HWY_INLINE Affine group_affine(Bytes block, Place group) {
  const GroupScale of = group_scale(block + 4, group);
  return {half_at(block) * static_cast<float>(of.scale),
          -half_at(block + 2) * static_cast<float>(of.minimum)};
}

// After these 32 bytes for each pair of groups of 32: low halves are the first group.
HWY_INLINE void widen_q4_k(Bytes block, float* HWY_RESTRICT out) {
  for (Place group = 0; group < 8; group += 2) {
    const Affine first = group_affine(block, group), second = group_affine(block, group + 1);
    for (std::size_t begin = 0; begin < 32; begin += part) {
      const Bytes packed = block + 16 + 16 * group + begin;
      float* target = out + 32 * group + begin;
      const auto low = [=](std::size_t i) HWY_ATTR { return low_bits(packed, i); };
      const auto high = [=](std::size_t i) HWY_ATTR { return high_bits(packed, i); };
      widen_part(low, first.scale, first.minimum, target);
      widen_part(high, second.scale, second.minimum, target + 32);
    }
  }
}

// 16, where bit `bit` of byte i + lane is set.
template <int bit>
HWY_INLINE Int fifth_of_bytes(Bytes bytes, std::size_t i) {
  const Ints ints;
  const auto shifted = hn::ShiftRight<bit>(hn::PromoteTo(ints, hn::LoadU(Small(), bytes + i)));
  return hn::ShiftLeft<4>(hn::And(shifted, hn::Set(ints, 1)));
}

// Groups `group` and `group` + 1 of Q5_K, whose fifth bits are these of 32 bytes.
template <Place group>
HWY_INLINE void widen_pair_5_bits(Bytes block, float* HWY_RESTRICT out) {
  const Affine first = group_affine(block, group), second = group_affine(block, group + 1);
  for (std::size_t begin = 0; begin < 32; begin += part) {
    const Bytes fifths = block + 16 + begin, packed = block + 48 + 16 * group + begin;
    float* target = out + 32 * group + begin;
    const auto low = [=](std::size_t i) HWY_ATTR {
      return hn::Or(low_bits(packed, i), fifth_of_bytes<static_cast<int>(group)>(fifths, i));
    };
    const auto high = [=](std::size_t i) HWY_ATTR {
      return hn::Or(high_bits(packed, i), fifth_of_bytes<static_cast<int>(group) + 1>(fifths, i));
    };
    widen_part(low, first.scale, first.minimum, target);
    widen_part(high, second.scale, second.minimum, target + 32);
  }
}

// As Q4_K, with 32 bytes of fifth bits before the others.
HWY_INLINE void widen_q5_k(Bytes block, float* HWY_RESTRICT out) {
  widen_pair_5_bits<0>(block, out);
  widen_pair_5_bits<2>(block, out);
  widen_pair_5_bits<4>(block, out);
  widen_pair_5_bits<6>(block, out);
}

// 16 entries: four bits in each of `low` (high_half: the upper four), two in `high` from bit
// 2 * place on.
template <bool high_half, int place>
HWY_INLINE void widen_6_bits(Bytes low, Bytes high, float d, float* HWY_RESTRICT out) {
  const auto q = [=](std::size_t i) HWY_ATTR {
    const Ints ints;
    const auto four = high_half ? high_bits(low, i) : low_bits(low, i);
    const auto bytes = hn::PromoteTo(ints, hn::LoadU(Small(), high + i));
    const auto two = hn::And(hn::ShiftRight<2 * place>(bytes), hn::Set(ints, 3));
    return hn::Or(four, hn::ShiftLeft<4>(two));
  };
  widen_part(q, d, -32 * d, out);
}

// Bytes: 128 with the lower four bits, 64 with the upper two, 16 signed scales, d; two halves of
// 128 entries, in each four groups of 32, a scale for each 16.
HWY_INLINE void widen_q6_k(Bytes block, float* HWY_RESTRICT out) {
  const float d = half_at(block + 208);
  const auto* scales = reinterpret_cast<const std::int8_t*>(block + 192);
  for (Place piece = 0; piece < 4; ++piece) {
    const Place half = piece / 2, side = piece % 2;
    const Bytes low = block + 64 * half + 16 * side, high = block + 128 + 32 * half + 16 * side;
    const std::int8_t* scale = scales + 8 * half + side;
    float* target = out + 128 * half + 16 * side;
    widen_6_bits<false, 0>(low, high, d * static_cast<float>(scale[0]), target);
    widen_6_bits<false, 1>(low + 32, high, d * static_cast<float>(scale[2]), target + 32);
    widen_6_bits<true, 2>(low, high, d * static_cast<float>(scale[4]), target + 64);
    widen_6_bits<true, 3>(low + 32, high, d * static_cast<float>(scale[6]), target + 96);
  }
}

template <int bytes, int entries, void (*widen)(Bytes, float*)>
HWY_INLINE void widen_each(Bytes blocks, std::int64_t count, float* out) {
  for (std::int64_t b = 0; b < count; ++b) widen(blocks + b * bytes, out + b * entries);
}

void WidenBlocks(WeightType type, Bytes blocks, std::int64_t count, float* out) {
  switch (type) {
    case WeightType::q8_0:
      return widen_each<34, 32, widen_q8_0>(blocks, count, out);
    case WeightType::q4_0:
      return widen_each<18, 32, widen_q4_0>(blocks, count, out);
    case WeightType::q4_1:
      return widen_each<20, 32, widen_q4_1>(blocks, count, out);
    case WeightType::q5_0:
      return widen_each<22, 32, widen_q5_0>(blocks, count, out);
    case WeightType::q5_1:
      return widen_each<24, 32, widen_q5_1>(blocks, count, out);
    case WeightType::q4_k:
      return widen_each<144, 256, widen_q4_k>(blocks, count, out);
    case WeightType::q5_k:
      return widen_each<176, 256, widen_q5_k>(blocks, count, out);
    case WeightType::q6_k:
      return widen_each<210, 256, widen_q6_k>(blocks, count, out);
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      return;
  }
}

}  // namespace subquad::llama::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::llama {

HWY_EXPORT(WidenBlocks);

void widen_blocks(WeightType type, const std::byte* blocks, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenBlocks)
  (type, reinterpret_cast<const std::uint8_t*>(blocks), count, out);
}

}  // namespace subquad::llama
#endif
