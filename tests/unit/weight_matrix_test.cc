// Widening against a reading of the block layouts bit by bit, in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "llama/weight_matrix.h"
#include "support/isa.h"

namespace subquad::llama {
namespace {

using Block = const std::uint8_t*;

constexpr WeightType block_types[] = {WeightType::q8_0, WeightType::q4_0, WeightType::q4_1,
                                      WeightType::q5_0, WeightType::q5_1, WeightType::q4_k,
                                      WeightType::q5_k, WeightType::q6_k};

int bit(Block bytes, int index) { return bytes[index / 8] >> (index % 8) & 1; }

// `count` bits from bit `first` of `bytes` on, the lowest first.
int bits(Block bytes, int first, int count) {
  int value = 0;
  for (int i = 0; i < count; ++i) value |= bit(bytes, first + i) << i;
  return value;
}

// sign, five bits of exponent, ten of fraction; finite.
double half(Block bytes) {
  const int fraction = bits(bytes, 0, 10), exponent = bits(bytes, 10, 5);
  const double size =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bit(bytes, 15) == 1 ? -size : size;
}

// Entry e of 32 in 16 bytes: low halves first.
int nibble(Block bytes, int e) { return bits(bytes, 8 * (e % 16) + 4 * (e / 16), 4); }

// Six-bit scale or minimum of group g, as Q4_K packs them.
int six_bits(Block scales, int g, bool minimum) {
  if (g < 4) return bits(scales, 8 * (g + (minimum ? 4 : 0)), 6);
  const int low = bits(scales, 8 * (g + 4) + (minimum ? 4 : 0), 4);
  return low | bits(scales, 8 * (g - 4 + (minimum ? 4 : 0)) + 6, 2) << 4;
}

double q4_k_entry(Block block, int e) {
  const int group = e / 32;
  const int q = bits(block + 16, 8 * (32 * (group / 2) + e % 32) + 4 * (group % 2), 4);
  return half(block) * six_bits(block + 4, group, false) * q -
         half(block + 2) * six_bits(block + 4, group, true);
}

double q5_k_entry(Block block, int e) {
  const int group = e / 32;
  const int low = bits(block + 48, 8 * (32 * (group / 2) + e % 32) + 4 * (group % 2), 4);
  const int q = low | bit(block + 16, 8 * (e % 32) + group) << 4;
  return half(block) * six_bits(block + 4, group, false) * q -
         half(block + 2) * six_bits(block + 4, group, true);
}

double q6_k_entry(Block block, int e) {
  const int part = e / 128, group = e % 128 / 32, i = e % 32;
  const int low = bits(block, 8 * (64 * part + 32 * (group % 2) + i) + 4 * (group / 2), 4);
  const int high = bits(block + 128, 8 * (32 * part + i) + 2 * group, 2);
  const auto scale = static_cast<std::int8_t>(block[192 + e / 16]);
  return half(block + 208) * scale * ((low | high << 4) - 32);
}

double entry(WeightType type, Block block, int e) {
  switch (type) {
    case WeightType::q8_0:
      return half(block) * static_cast<std::int8_t>(block[2 + e]);
    case WeightType::q4_0:
      return half(block) * (nibble(block + 2, e) - 8);
    case WeightType::q4_1:
      return half(block) * nibble(block + 4, e) + half(block + 2);
    case WeightType::q5_0:
      return half(block) * ((nibble(block + 6, e) | bit(block + 2, e) << 4) - 16);
    case WeightType::q5_1:
      return half(block) * (nibble(block + 8, e) | bit(block + 4, e) << 4) + half(block + 2);
    case WeightType::q4_k:
      return q4_k_entry(block, e);
    case WeightType::q5_k:
      return q5_k_entry(block, e);
    default:
      return q6_k_entry(block, e);
  }
}

// Random bytes; the f16 scales, of which `minimum` may follow one, get any finite value.
std::vector<std::uint8_t> random_blocks(WeightType type, std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 draw(seed);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count * block_bytes(type)));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(draw());
  const std::size_t scale = type == WeightType::q6_k ? 208 : 0;
  for (std::size_t block = 0; block < bytes.size();
       block += static_cast<std::size_t>(block_bytes(type)))
    for (const std::size_t at : {block + scale + 1, block + (scale == 0 ? 3 : 209)})
      if ((bytes[at] & 0x7C) == 0x7C) bytes[at] &= 0xFB;
  return bytes;
}

WeightMatrix matrix_of(WeightType type, const std::vector<std::uint8_t>& bytes, std::int64_t rows,
                       std::int64_t cols) {
  return {type, reinterpret_cast<const std::byte*>(bytes.data()), rows, cols};
}

void expect_widened(WeightType type) {
  constexpr std::int64_t rows = 5, blocks = 3;
  const std::int64_t entries = block_entries(type), cols = blocks * entries;
  const auto bytes = random_blocks(type, rows * blocks, 7 + static_cast<std::uint64_t>(type));
  const WeightMatrix matrix = matrix_of(type, bytes, rows, cols);
  ASSERT_EQ(row_bytes(matrix), blocks * block_bytes(type));
  EXPECT_TRUE(all_finite(matrix));
  std::vector<float> row(static_cast<std::size_t>(cols) + 1, 77);
  for (std::int64_t r = 0; r < rows; ++r) {
    widen_row(matrix, r, row.data());
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t block = r * blocks + c / entries;
      const double expected =
          entry(type, bytes.data() + block * block_bytes(type), static_cast<int>(c % entries));
      // Scales times integers are exact in f32; only the sum with a minimum is rounded.
      ASSERT_EQ(row[static_cast<std::size_t>(c)], static_cast<float>(expected))
          << static_cast<int>(type) << " row " << r << " column " << c;
    }
    ASSERT_EQ(row.back(), 77) << "beyond the row";
  }
}

TEST(WeightMatrix, BlocksWidenToWhatTheirBitsSay) {
  for (const WeightType type : block_types) expect_widened(type);
}

TEST(WeightMatrix, EveryInstructionSetGivesTheSame) {
  testing::on_every_isa([] {
    for (const WeightType type : block_types) expect_widened(type);
  });
}

TEST(WeightMatrix, PlainTypesWiden) {
  const std::vector<float> values{1, -2.5f, 0, 3e38f, 1e-40f, 7};
  std::vector<float> row(3);
  const WeightMatrix full{WeightType::f32, reinterpret_cast<const std::byte*>(values.data()), 2, 3};
  widen_row(full, 1, row.data());
  EXPECT_EQ(row, (std::vector<float>{3e38f, 1e-40f, 7}));
  const std::vector<std::uint16_t> halves{0x3C00, 0xC100, 0x0001, 0x7BFF, 0x8000, 0x3555};
  widen_row({WeightType::f16, reinterpret_cast<const std::byte*>(halves.data()), 2, 3}, 0,
            row.data());
  EXPECT_EQ(row, (std::vector<float>{1, -2.5f, 0x1p-24f}));
  const std::vector<std::uint16_t> brains{0x3F80, 0xC020, 0x0001, 0x7F7F, 0x8000, 0x40E0};
  widen_row({WeightType::bf16, reinterpret_cast<const std::byte*>(brains.data()), 2, 3}, 1,
            row.data());
  EXPECT_EQ(row[0], 0x1.FEp127f);
  EXPECT_EQ(row[2], 7);
}

TEST(WeightMatrix, FindsEveryScaleThatIsNotFinite) {
  for (const WeightType type : block_types) {
    auto bytes = random_blocks(type, 4, 3);
    const WeightMatrix matrix = matrix_of(type, bytes, 2, 2 * block_entries(type));
    const std::size_t scale = type == WeightType::q6_k ? 208 : 0;
    const bool minimum = type == WeightType::q4_1 || type == WeightType::q5_1 ||
                         type == WeightType::q4_k || type == WeightType::q5_k;
    for (std::size_t at = scale; at <= scale + (minimum ? 2 : 0); at += 2) {
      const std::size_t high = static_cast<std::size_t>(3 * block_bytes(type)) + at + 1;
      const std::uint8_t kept = bytes[high];
      bytes[high] = 0x7C;
      EXPECT_FALSE(all_finite(matrix)) << static_cast<int>(type) << " at " << at;
      bytes[high] = kept;
    }
    EXPECT_TRUE(all_finite(matrix));
  }
  const std::vector<float> values{1, INFINITY};
  EXPECT_FALSE(
      all_finite({WeightType::f32, reinterpret_cast<const std::byte*>(values.data()), 2, 1}));
}

}  // namespace
}  // namespace subquad::llama
