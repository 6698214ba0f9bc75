// Methods that meet bf16 inputs on tiles: what they compute in f32 but for the weights' rounding,
// the same bits on every engine and for any number of threads. For every part of all_parts().
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/error.h"
#include "support/forward.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/parts.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

#ifdef SUBQUAD_SANITIZED
constexpr std::size_t kEvery = 7;  // of the cases
#else
constexpr std::size_t kEvery = 1;
#endif

constexpr double kMean = 0.005;  // all together, relative: rounding errors are 0.0018 in the mean

struct Scene {
  std::string name;
  OwnedProblem owned;
};

OwnedProblem make_problem(std::int64_t queries, std::int64_t keys, std::uint64_t seed) {
  return gaussian_problem({.batch = 1,
                           .heads = 4,
                           .kv_heads = 2,
                           .queries = queries,
                           .keys = keys,
                           .head_dim = 40,
                           .value_dim = 24},
                          seed, DType::bf16, 1.5);
}

Scene banded(const char* name, Causal causal, std::int64_t queries, std::int64_t left = -1) {
  Scene scene{name, make_problem(queries, 210, 41)};
  scene.owned.problem.causal = causal;
  scene.owned.problem.window.left = left;
  return scene;
}

Scene masked(MaskKind kind) {
  const std::int64_t n = 150;
  Scene scene{kind == MaskKind::boolean ? "boolean mask" : "additive mask", make_problem(n, n, 42)};
  Draw draw(43);
  for (std::int64_t i = 0; i < n * n; ++i) {
    const bool seen = draw.chance(0.8);
    scene.owned.boolean_mask.push_back(seen ? 1 : 0);
    scene.owned.additive_mask.push_back(seen ? static_cast<float>(draw.normal())
                                             : -std::numeric_limits<float>::infinity());
  }
  const void* data = scene.owned.boolean_mask.data();
  if (kind == MaskKind::additive) data = scene.owned.additive_mask.data();
  scene.owned.problem.mask = {kind, data, {1, 1, n, n}, {n * n, n * n, n, 1}};
  return scene;
}

Scene ragged() {
  Scene scene{"ragged", make_problem(220, 220, 44)};
  scene.owned.query_offsets = {0, 90, 90, 220};
  scene.owned.key_offsets = {0, 110, 130, 220};
  scene.owned.problem.query_offsets = scene.owned.query_offsets;
  scene.owned.problem.key_offsets = scene.owned.key_offsets;
  scene.owned.sink_logits = {0.5F, -1.0F, 2.0F, 0.0F};
  scene.owned.problem.sink_logits = scene.owned.sink_logits;
  return scene;
}

// Entries that tiles refuse, of keys and values that the first rows do not see, and of a query.
Scene wild() {
  Scene scene = banded("wild entries", Causal::top_left, 210);
  scene.owned.value.set(0, 0, 150, 3, std::nan(""));
  scene.owned.value.set(0, 1, 170, 4, HUGE_VAL);
  for (std::int64_t i = 0; i < 210; ++i) scene.owned.query.set(0, 1, i, 2, 0.0);
  scene.owned.key.set(0, 0, 90, 2, 1e30);
  scene.owned.query.set(0, 2, 100, 1, std::nan(""));
  return scene;
}

std::vector<Scene> all_scenes() {
  std::vector<Scene> scenes;
  scenes.push_back(banded("self", Causal::none, 210));
  scenes.push_back(banded("cross", Causal::none, 120));
  scenes.push_back(banded("few queries", Causal::none, 5));
  scenes.push_back(banded("causal", Causal::top_left, 210));
  scenes.push_back(banded("causal bottom_right", Causal::bottom_right, 120));
  scenes.push_back(banded("causal with a window", Causal::top_left, 210, 60));
  scenes.push_back(masked(MaskKind::boolean));
  scenes.push_back(masked(MaskKind::additive));
  scenes.push_back(ragged());
  scenes.push_back(wild());
  return scenes;
}

ForwardRun run_of(const Scene& scene, const std::string& spec, int threads = 1) {
  return run_forward(scene.owned.problem, DType::f32, threads, {}, spec);
}

bool is_supported(const Scene& scene, const std::string& spec) {
  try {
    run_of(scene, spec);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void expect_same_bits(const ForwardRun& a, const ForwardRun& b) {
  EXPECT_EQ(a.out.words(), b.out.words());
  EXPECT_EQ(a.lse.words(), b.lse.words());
}

DenseTensor dense(const TensorBuffer& tensor) { return read_tensor(tensor.view()); }

double largest_finite(const TensorBuffer& tensor) {
  double largest = 0;
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    const double value = std::fabs(tensor.get(b, h, i, c));
    if (std::isfinite(value)) largest = std::max(largest, value);
  });
  return largest;
}

// Rounded weights move a mean of values by at most twice their error, in units of the largest of
// them. rownorm and approxd divide a sample of weighted values by a sum of weights that comes of
// another sample: their outputs are no means, and may be several times as large.
// What a treecode leaves closed changes with the sums of the near keys, and its error with that.
void expect_near(const Scene& scene, const ForwardRun& tiles, const ForwardRun& f32) {
  const bool chosen = tiles.report.path.find("treecode") != std::string::npos;
  const double rounding = chosen ? 0.1 : kernels::kWeightError + 1e-5;
  const double size = std::max(largest_finite(scene.owned.value), 4 * largest_finite(f32.out));
  EXPECT_LE(max_difference(tiles.out, dense(f32.out), NonFinite::any), 2 * rounding * size);
  EXPECT_LE(max_difference(tiles.lse, dense(f32.lse), NonFinite::any), rounding);
  EXPECT_FALSE(relative_error(tiles.out, dense(f32.out)) > kMean);  // NaN where there are NaN
}

ForwardRun run_on(const kernels::TileEngine& engine, const Scene& scene, const std::string& spec,
                  int threads) {
  const TileEngineScope scope(engine);
  return run_of(scene, spec, threads);
}

// Returns whether tiles were used.
bool check(const Scene& scene, const std::string& spec, bool on_model) {
  if (spec.empty() || !is_supported(scene, spec)) return false;
  SCOPED_TRACE(spec + ", " + scene.name);
  const kernels::TileEngine& model = kernels::model_engine();
  const kernels::TileEngine& engine = amx_hardware() != nullptr ? *amx_hardware() : model;
  const ForwardRun tiles = run_on(engine, scene, spec, 1);
  expect_same_bits(tiles, run_on(engine, scene, spec, 3));
  if (on_model && amx_hardware() != nullptr) expect_same_bits(tiles, run_on(model, scene, spec, 1));
  const IsaScope plain(supported_isas().back());  // the least: no tiles
  expect_near(scene, tiles, run_of(scene, spec));
  return tiles.report.path.find("bf16-") != std::string::npos;
}

// The model is slow: with it, some of the cases.
TEST(MethodTiles, AreWhatF32GivesButForTheRounding) {
  const std::vector<Scene> scenes = all_scenes();
  const std::size_t every = (amx_hardware() != nullptr ? 1 : 3) * kEvery;
  std::size_t turn = 0;
  for (const PartCase& part : all_parts()) {
    std::int64_t ran_on_tiles = 0;
    for (const Scene& scene : scenes)
      for (const std::string& spec : {part.spec, with_sink_and_window(part.spec)})
        if (turn++ % every == 0) ran_on_tiles += check(scene, spec, turn % 7 == 1) ? 1 : 0;
    EXPECT_GE(ran_on_tiles, kEvery == 1 ? 1 : 0) << part.spec;
  }
}

std::string path_on(const std::string& isa, const Problem& problem, const std::string& spec) {
  const IsaScope scope(isa);
  return run_forward(problem, DType::f32, 1, {}, spec).report.path;
}

// Exact attention gains more by tiles than the far field and the hashing do: what pays in f32 does
// not yet pay there.
void expect_break_even(const Problem& problem, const std::string& spec) {
  SCOPED_TRACE(spec);
  EXPECT_EQ(path_on(supported_isas().back(), problem, spec).find("exact"), std::string::npos);
  if (amx_hardware() == nullptr) return;
  EXPECT_NE(path_on("amx", problem, spec).find("exact:bf16"), std::string::npos);
}

TEST(MethodTiles, BreakEvenIsThatOfTheEngine) {
  OwnedProblem owned =
      gaussian_problem({.queries = 1000, .keys = 1000, .head_dim = 8}, 45, DType::bf16, 0.3);
  expect_break_even(owned.problem, "hyper(block=96,m=96)");
  expect_break_even(owned.problem, "far(error=0.9,clusters=16,fit=32,certify=0)");
}

TEST(MethodTiles, CausalBreakEvenIsThatOfTheEngine) {
  OwnedProblem owned =
      gaussian_problem({.queries = 1800, .keys = 1800, .head_dim = 8}, 46, DType::bf16, 0.3);
  owned.problem.causal = Causal::top_left;
  expect_break_even(owned.problem, "hyper(block=32,m=32,window=32)");
}

TEST(MethodTiles, CausalFarIsExactOnTheEngine) {
  OwnedProblem owned =
      gaussian_problem({.queries = 3400, .keys = 3400, .head_dim = 8}, 46, DType::bf16, 0.3);
  owned.problem.causal = Causal::top_left;
  expect_break_even(owned.problem, "far(error=1,certify=0)");
}

}  // namespace
}  // namespace subquad::testing
