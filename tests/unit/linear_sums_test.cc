// Prefix sums of linear attention that grow block by block: any order of calls gives the same bits,
// and those of the sums computed in advance up to rounding. And the kernel that loads features.
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/feature_map.h"
#include "light/linear/linear_chunks.h"
#include "light/linear/linear_sums.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

// 5 blocks of two query heads; keys before the first row.
struct Scene {
  OwnedProblem owned;
  HeadProblem head;
  LinearModel model{FeatureMap::elu, 1.0F};

  Scene()
      : owned(gaussian_problem({.heads = 2,
                                .kv_heads = 1,
                                .queries = 600,
                                .keys = 700,
                                .head_dim = 20,
                                .value_dim = 9},
                               3)) {
    owned.problem.causal = Causal::bottom_right;
    head = split_heads(owned.problem).front();
  }

  // The states in the order of the blocks, which call in another order and on one thread.
  std::vector<float> states(const std::vector<std::int64_t>& order) const {
    LinearSums sums(head, model, 1, true);
    for (const std::int64_t block : order) pass(sums, block);
    return all_states(sums);
  }
  void pass(LinearSums& sums, std::int64_t block) const {
    LinearChunks chunks(head, model.map, sums.block_rows());
    chunks.load(sums.spans(block));
    EXPECT_EQ(sums.pass_on(block, chunks.total()), sums.state(block));
  }
  std::vector<float> all_states(const LinearSums& sums) const {
    const SumLayout& layout = sums.layout();
    std::vector<float> result;
    for (std::int64_t i = 0; i < sums.count(); ++i) {
      const float* state = sums.state(i);
      result.insert(result.end(), state, state + layout.head_dim);
      for (std::int64_t c = 0; c < layout.head_dim; ++c) {
        const float* row = layout.products(state) + c * layout.stride();
        result.insert(result.end(), row, row + layout.value_dim);
      }
    }
    return result;
  }
};

TEST(LinearSums, AnyOrderOfBlocksGivesTheSameBits) {
  const Scene scene;
  const std::vector<float> in_order = scene.states({0, 1, 2, 3, 4});
  EXPECT_EQ(in_order,
            scene.states({3, 1, 4, 0, 2}));  // blocks that nobody works on are made up for
  EXPECT_EQ(in_order, scene.states({4, 3, 2, 1, 0}));
}

TEST(LinearSums, ThreadsGiveTheSameBits) {
  const Scene scene;
  LinearSums sums(scene.head, scene.model, 3, true);
  ASSERT_EQ(sums.count(), 5);
  {
    std::vector<std::jthread> threads;
    for (std::int64_t block = 5; block-- > 0;)
      threads.emplace_back([&, block] { scene.pass(sums, block); });
  }
  EXPECT_EQ(scene.all_states(sums), scene.states({0, 1, 2, 3, 4}));
}

TEST(LinearSums, CompleteEqualsInTurn) {
  const Scene scene;
  LinearSums at_once(scene.head, scene.model, 2, false), later(scene.head, scene.model, 2, true);
  const std::vector<float> in_turn = scene.states({0, 1, 2, 3, 4});
  const std::vector<float> complete = scene.all_states(at_once);
  ASSERT_EQ(complete.size(), in_turn.size());
  for (std::size_t n = 0; n < complete.size(); ++n)
    EXPECT_NEAR(complete[n], in_turn[n], 1e-6 * 700) << n;  // up to 700 terms of size 1
  later.complete(2);
  EXPECT_EQ(scene.all_states(later), complete);
}

// Strided rows of each type and widths around the vector's, with their sums.
TEST(FeatureMaps, LoadedAndSummed) {
  for (const std::int64_t width : {1, 7, 8, 20, 64, 67})
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      on_every_isa([&] {
        const OwnedProblem owned = gaussian_problem({.keys = 13, .head_dim = width}, 4, type);
        const std::int64_t padded = padded_values(width), stride = padded + 16;
        const kernels::RowSource rows = split_heads(owned.problem).front().keys();
        std::vector<float> out(static_cast<std::size_t>(13 * stride), 7.0F);
        std::vector<float> sums(static_cast<std::size_t>(padded), 1.0F);
        kernels::load_features(rows, FeatureMap::elu, 0.5F, out.data(), stride, padded,
                               sums.data());
        for (std::int64_t c = 0; c < width; ++c) {
          double sum = 1;
          for (std::int64_t j = 0; j < 13; ++j) {
            const double x = owned.key.get(0, 0, j, c);
            const double want = 0.5 * (x > 0 ? x + 1 : std::exp(x));
            EXPECT_NEAR(out[static_cast<std::size_t>(j * stride + c)], want, 1e-6 * want);
            EXPECT_EQ(out[static_cast<std::size_t>(j * stride + padded)], 7.0F);
            sum += want;
          }
          EXPECT_NEAR(sums[static_cast<std::size_t>(c)], sum, 1e-5);
        }
      });
}

}  // namespace
}  // namespace subquad::testing
