// Loading and packing rows of every storage type, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr DType all_types[] = {DType::f32, DType::bf16, DType::f16};

// Rows in storage and a selection of them: a run from `first`, or ids.
struct Selection {
  StoredRows rows;
  std::vector<std::int32_t> ids;
  kernels::RowSource source;

  Selection(Draw& draw, DType type, std::int64_t width, std::int64_t count, bool gathered)
      : rows(draw, type, count + 5, width, width + draw.integer(0, 9)), source(rows.source()) {
    source.count = count;
    source.first = 3;
    if (!gathered) return;
    ids = random_ids(draw, count + 5, count);
    source.ids = ids.data();
  }
  std::int64_t position(std::int64_t j) const {
    return ids.empty() ? source.first + j : ids[static_cast<std::size_t>(j)];
  }
  float value(std::int64_t j, std::int64_t c) const {
    return static_cast<float>(rows.value(position(j), c));
  }
};

// Runs body(selection) for every type, layout, and a range of widths and counts.
template <typename Body>
void for_selections(Body body) {
  Draw draw(1);
  for (const DType type : all_types)
    for (const bool gathered : {false, true})
      for (const std::int64_t width : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 61, 64, 100})
        for (const std::int64_t count : {1, 2, 3, 4, 5, 16, 17, 31, 32, 33, 50}) {
          SCOPED_TRACE(::testing::Message() << name_of(type) << " width " << width << " count "
                                            << count << (gathered ? " gathered" : ""));
          const Selection selection(draw, type, width, count, gathered);
          body(selection);
          if (::testing::Test::HasFatalFailure()) return;
        }
}

void check_load(const Selection& selection) {
  const kernels::RowSource& source = selection.source;
  const std::int64_t padded = source.width + 6, stride = padded + 2;
  Scratch<float> out = canary_floats(source.count * stride);
  kernels::load_rows(source, -0.5F, out.data(), stride, padded);
  for (std::int64_t j = 0; j < source.count; ++j)
    for (std::int64_t c = 0; c < stride; ++c) {
      float expected = c < padded ? 0.0F : canary;
      if (c < source.width) expected = -0.5F * selection.value(j, c);
      ASSERT_EQ(out[j * stride + c], expected) << j << ", " << c;
    }
}

TEST(KernelsPack, LoadRows) {
  on_every_isa([] { for_selections(check_load); });
}

void check_transposed(const Selection& selection) {
  const kernels::RowSource& source = selection.source;
  const std::int64_t panel = kernels::blocking().panel;
  const std::int64_t columns = round_up(source.count, panel);
  Scratch<float> out = canary_floats(columns * source.width + 8);
  ASSERT_EQ(kernels::pack_transposed(source, out.data()), panel * source.width);
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t c = 0; c < source.width; ++c) {
      const float expected = j < source.count ? selection.value(j, c) : 0.0F;
      ASSERT_EQ(out[j / panel * panel * source.width + c * panel + j % panel], expected)
          << j << ", " << c;
    }
  for (std::int64_t i = 0; i < 8; ++i) ASSERT_EQ(out[columns * source.width + i], canary);
}

TEST(KernelsPack, Transposed) {
  on_every_isa([] { for_selections(check_transposed); });
}

void check_rows(const Selection& selection) {
  const kernels::RowSource& source = selection.source;
  const std::int64_t panel = kernels::blocking().panel;
  const std::int64_t columns = round_up(source.width, panel);
  const std::int64_t panel_stride = source.count * panel;
  Scratch<float> out = canary_floats(columns * source.count + 8);
  ASSERT_TRUE(kernels::pack_rows(source, out.data(), panel_stride));
  for (std::int64_t j = 0; j < source.count; ++j)
    for (std::int64_t c = 0; c < columns; ++c) {
      const float expected = c < source.width ? selection.value(j, c) : 0.0F;
      ASSERT_EQ(out[c / panel * panel_stride + j * panel + c % panel], expected) << j << ", " << c;
    }
  for (std::int64_t i = 0; i < 8; ++i) ASSERT_EQ(out[columns * source.count + i], canary);
}

TEST(KernelsPack, Rows) {
  on_every_isa([] { for_selections(check_rows); });
}

// One wild value anywhere is noticed; the largest finite ones are not wild.
void check_finite_flag(DType type, std::int64_t width, double value, bool finite) {
  Draw draw(4);
  constexpr std::int64_t count = 3;
  const std::int64_t panel = kernels::blocking().panel;
  Scratch<float> out = canary_floats(round_up(width, panel) * count);
  StoredRows rows(draw, type, count, width, width);
  for (std::int64_t j = 0; j < count; ++j)
    for (std::int64_t c = 0; c < width; ++c) {
      const double tame = rows.value(j, c);
      rows.set_value(j, c, value);
      EXPECT_EQ(kernels::all_finite(rows.source()), finite) << value;
      EXPECT_EQ(kernels::pack_rows(rows.source(), out.data(), count * panel), finite)
          << name_of(type) << " " << value << " at " << j << ", " << c << " of " << width;
      rows.set_value(j, c, tame);
    }
}

double largest_finite(DType type) {
  if (type == DType::f32) return static_cast<double>(std::numeric_limits<float>::max());
  return decode_half(type == DType::f16 ? 0x7bff : 0x7f7f, type);
}

TEST(KernelsPack, RowsTellWhetherAllAreFinite) {
  on_every_isa([] {
    for (const DType type : all_types)
      for (const std::int64_t width : {1, 5, 16, 35, 64}) {
        check_finite_flag(type, width, HUGE_VAL, false);
        check_finite_flag(type, width, -HUGE_VAL, false);
        check_finite_flag(type, width, std::nan(""), false);
        check_finite_flag(type, width, largest_finite(type), true);
        check_finite_flag(type, width, -largest_finite(type), true);
      }
  });
}

void check_store(DType type, std::int64_t width) {
  Draw draw(6);
  std::vector<float> values(static_cast<std::size_t>(width));
  for (float& value : values) value = static_cast<float>(draw.normal());
  std::vector<float> f32(values.size() + 1, canary);
  std::vector<std::uint16_t> half(values.size() + 1, 0xabcd);
  void* out = type == DType::f32 ? static_cast<void*>(f32.data()) : half.data();
  kernels::store_row(values.data(), width, 0.75F, type, out);
  for (std::size_t c = 0; c < values.size(); ++c) {
    const float product = 0.75F * values[c];
    if (type == DType::f32)
      ASSERT_EQ(f32[c], product);
    else
      ASSERT_EQ(half[c], encode_half(static_cast<double>(product), type));
  }
  EXPECT_EQ(f32.back(), canary);
  EXPECT_EQ(half.back(), 0xabcd);
}

TEST(KernelsPack, StoreRow) {
  on_every_isa([] {
    for (const DType type : all_types)
      for (std::int64_t width = 1; width <= 70; ++width) check_store(type, width);
  });
}

TEST(KernelsPack, SliceIsAPartOfTheSource) {
  Draw draw(8);
  for (const bool gathered : {false, true}) {
    const Selection selection(draw, DType::bf16, 6, 20, gathered);
    const kernels::RowSource part = selection.source.slice(7, 5);
    ASSERT_EQ(part.count, 5);
    for (std::int64_t j = 0; j < 5; ++j) EXPECT_EQ(part.row(j), selection.source.row(7 + j));
  }
}

}  // namespace
}  // namespace subquad::testing
