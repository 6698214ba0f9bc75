// Rows of a head, loaded as f32: every layout, storage type, group and kind of list.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "rows/head_rows.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr float untouched = 12345.0F;

// out[i] is row rows[i] of the query tensor times the factor, and nothing else is written.
void check_rows(const HeadProblem& head, const IndexList& rows, float factor) {
  const TensorView& view = head.problem->query;
  const std::int64_t width = view.channels();
  std::vector<float> out(static_cast<std::size_t>(rows.count * width + 1), untouched);
  load_head_rows(head, view, rows, factor, out.data(), width);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t h = head.kv_head * head.group + rows[i] % head.group;
    const std::int64_t position = head.query_begin + rows[i] / head.group;
    const std::int64_t from = view.offset(head.batch, h, position);
    for (std::int64_t c = 0; c < width; ++c)
      ASSERT_EQ(out[static_cast<std::size_t>(i * width + c)],
                factor * static_cast<float>(read_element(view, from + c)))
          << "row " << rows[i] << " channel " << c;
  }
  ASSERT_EQ(out.back(), untouched);
}

void check_lists(const HeadProblem& head, std::uint64_t seed) {
  Draw draw(seed);
  const std::int64_t count = head.num_rows();
  check_rows(head, index_range(0, count), 1.0F);
  for (const std::int64_t length : {0, 1, 2, 5, 17})
    if (length <= count) {
      const std::int64_t begin = draw.integer(0, count - length);
      check_rows(head, index_range(begin, begin + length), -0.37F);
    }
  if (count == 0) return;
  std::vector<std::int32_t> ids;
  for (int n = 0; n < 23; ++n) ids.push_back(static_cast<std::int32_t>(draw.integer(0, count - 1)));
  check_rows(head, {ids.data(), 0, 23, false}, 1.7F);
  check_rows(head, {ids.data() + 3, 0, 4, false}, 1.0F);
}

TEST(HeadRows, AreTheRowsOfTheTensor) {
  constexpr DType types[] = {DType::f32, DType::bf16, DType::f16};
  int grouped = 0, reversed = 0, packed = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const OwnedProblem random =
        random_problem(seed, types[seed % 3], {.max_length = 60, .max_head_dim = 70});
    SCOPED_TRACE(random.description);
    on_every_isa([&] {
      for (const HeadProblem& head : split_heads(random.problem)) check_lists(head, seed);
    });
    if (HasFailure()) return;
    grouped += random.problem.query.heads() > random.problem.key.heads() ? 1 : 0;
    reversed += random.problem.query.stride[2] < 0 ? 1 : 0;
    packed += random.query_offsets.empty() ? 0 : 1;
  }
  EXPECT_GT(grouped, 20);  // the draw covers them all
  EXPECT_GT(reversed, 5);
  EXPECT_GT(packed, 5);
}

}  // namespace
}  // namespace subquad::testing
