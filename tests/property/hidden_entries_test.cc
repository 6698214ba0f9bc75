// What a problem hides has no influence: hidden keys and values, whatever they hold, change no bit
// of a row that does not see them, and get no gradient. For every part of all_parts().
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/parts.h"
#include "support/backward.h"
#include "support/seeds.h"
#include "support/owned_problem.h"
#include "support/parts.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

#ifdef SUBQUAD_SANITIZED
constexpr std::size_t kEvery = 7;  // of the cases, which then take minutes
#else
constexpr std::size_t kEvery = 1;
#endif
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// A problem, the positions to be overwritten, and the rows that cannot see them.
struct Scene {
  std::string name;
  OwnedProblem owned;
  std::int64_t key_begin = 0, key_end = 0;      // hidden from rows [row_begin, row_end)
  std::int64_t query_begin = 0, query_end = 0;  // of later tokens
  std::int64_t row_begin = 0, row_end = 0;
  bool causal = false;
  bool no_row_sees = false;  // the keys are hidden from all rows
  bool padded = false;       // the queries see nothing
};

Scene make_scene(const std::string& name, std::int64_t queries, std::int64_t keys) {
  Scene scene{
      .name = name,
      .owned = gaussian_problem(
          {.heads = 2, .queries = queries, .keys = keys, .head_dim = 16, .value_dim = 12}, 91),
      .row_end = queries};
  return scene;
}

Scene padding(MaskKind kind, std::int64_t queries) {
  const std::int64_t keys = 300, kept = 230;
  Scene scene =
      make_scene(kind == MaskKind::boolean ? "boolean padding" : "additive padding", queries, keys);
  scene.owned.boolean_mask.assign(keys, 1);
  scene.owned.additive_mask.assign(keys, 0.0F);
  for (std::int64_t j = kept; j < keys; ++j) {
    scene.owned.boolean_mask[static_cast<std::size_t>(j)] = 0;
    scene.owned.additive_mask[static_cast<std::size_t>(j)] = kMinusInfinity;
  }
  const void* data = scene.owned.boolean_mask.data();
  if (kind == MaskKind::additive) data = scene.owned.additive_mask.data();
  scene.owned.problem.mask = {kind, data, {1, 1, 1, keys}, {keys, keys, keys, 1}};
  scene.key_begin = kept;
  scene.key_end = keys;
  scene.no_row_sees = true;
  return scene;
}

// Left padding that is different from row to row, under the diagonal.
Scene padding_by_row() {
  const std::int64_t n = 160, hidden = 30;
  Scene scene = make_scene("a mask for each row", n, n);
  scene.owned.boolean_mask.assign(static_cast<std::size_t>(n * n), 1);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      if (j < hidden || (i + j) % 7 == 0)
        scene.owned.boolean_mask[static_cast<std::size_t>(i * n + j)] = 0;
  scene.owned.problem.mask = {
      MaskKind::boolean, scene.owned.boolean_mask.data(), {1, 1, n, n}, {n * n, n * n, n, 1}};
  scene.key_end = hidden;
  scene.no_row_sees = true;
  return scene;
}

// Padding of queries and keys alike: its rows see nothing, and nobody sees its keys.
Scene padded_queries(MaskKind kind, Causal causal, bool left) {
  const std::int64_t n = 200, kept = 130;
  Scene scene = make_scene("padded queries", n, n);
  scene.key_begin = scene.query_begin = left ? 0 : kept;
  scene.key_end = scene.query_end = left ? n - kept : n;
  scene.row_begin = left ? n - kept : 0;
  scene.row_end = scene.row_begin + kept;
  const auto real = [&](std::int64_t i) { return i >= scene.row_begin && i < scene.row_end; };
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const bool seen = real(i) && real(j);
      scene.owned.boolean_mask.push_back(seen ? 1 : 0);
      scene.owned.additive_mask.push_back(seen ? 0.0F : kMinusInfinity);
    }
  }
  const void* data = scene.owned.boolean_mask.data();
  if (kind == MaskKind::additive) data = scene.owned.additive_mask.data();
  scene.owned.problem.mask = {kind, data, {1, 1, n, n}, {n * n, n * n, n, 1}};
  scene.owned.problem.causal = causal;
  scene.causal = causal != Causal::none;
  scene.no_row_sees = scene.padded = true;
  return scene;
}

Scene ragged() {
  Scene scene = make_scene("ragged", 300, 300);
  scene.owned.query_offsets = {0, 130, 130, 300};
  scene.owned.key_offsets = {0, 170, 190, 300};
  scene.owned.problem.query_offsets = scene.owned.query_offsets;
  scene.owned.problem.key_offsets = scene.owned.key_offsets;
  scene.key_begin = 170;
  scene.key_end = 300;
  scene.query_begin = 130;
  scene.query_end = 300;
  scene.row_end = 130;
  return scene;
}

Scene causal(Causal alignment, std::int64_t queries, std::int64_t keys, std::int64_t from,
             std::int64_t left = -1) {
  Scene scene = make_scene(left < 0 ? "causal" : "causal with a window", queries, keys);
  scene.name += alignment == Causal::top_left ? " top_left" : " bottom_right";
  scene.owned.problem.causal = alignment;
  scene.owned.problem.window.left = left;
  const std::int64_t shift = alignment == Causal::top_left ? 0 : keys - queries;
  scene.key_begin = from;
  scene.key_end = keys;
  scene.query_begin = std::clamp<std::int64_t>(from - shift, 0, queries);
  scene.query_end = queries;
  scene.row_end = scene.query_begin;
  scene.causal = true;
  scene.no_row_sees = scene.query_begin == queries;
  return scene;
}

// Keys before the window of the last rows.
Scene window(Causal alignment) {
  Scene scene =
      make_scene(alignment == Causal::none ? "window" : "causal window, older keys", 280, 280);
  scene.owned.problem.causal = alignment;
  scene.owned.problem.window.left = 50;
  if (alignment == Causal::none) scene.owned.problem.window.right = 20;
  scene.key_end = 100;
  scene.row_begin = 151;
  return scene;
}

using MakeScene = std::function<Scene()>;

const std::vector<MakeScene>& all_scenes() {
  static const std::vector<MakeScene> scenes{
      [] { return padding(MaskKind::boolean, 150); },
      [] { return padding(MaskKind::additive, 150); },
      [] { return padding(MaskKind::boolean, 5); },
      [] { return padding(MaskKind::additive, 5); },
      padding_by_row,
      [] { return padded_queries(MaskKind::boolean, Causal::none, false); },
      [] { return padded_queries(MaskKind::additive, Causal::none, true); },
      [] { return padded_queries(MaskKind::boolean, Causal::top_left, true); },
      [] { return padded_queries(MaskKind::additive, Causal::bottom_right, false); },
      ragged,
      [] { return causal(Causal::top_left, 290, 290, 170); },
      [] { return causal(Causal::top_left, 290, 290, 289); },
      [] { return causal(Causal::top_left, 150, 250, 150); },
      [] { return causal(Causal::bottom_right, 120, 290, 230); },
      [] { return causal(Causal::bottom_right, 6, 290, 287); },
      [] { return causal(Causal::top_left, 290, 290, 170, 60); },
      [] { return window(Causal::none); },
      [] { return window(Causal::top_left); },
  };
  return scenes;
}

using Fill = std::function<double()>;

void overwrite(TensorBuffer& tensor, std::int64_t begin, std::int64_t end, const Fill& fill) {
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    if (i >= begin && i < end) tensor.set(b, h, i, c, fill());
  });
}

struct Garbage {
  const char* name;
  std::function<Fill()> make;
};

// The first three reach all code; a sanitizer does with them.
std::vector<Garbage> all_garbage() {
  const auto constant = [](double value) {
    return [value] { return Fill([value] { return value; }); };
  };
  return {{"other draws",
           [] { return Fill([draw = Draw(17)]() mutable { return 3 * draw.normal(); }); }},
          {"NaN", constant(std::nan(""))},
          {"Inf", constant(HUGE_VAL)},
          {"-Inf", constant(-HUGE_VAL)},
          {"1e30", constant(1e30)}};
}

void set_garbage(Scene& scene, const Fill& fill, bool queries) {
  overwrite(scene.owned.key, scene.key_begin, scene.key_end, fill);
  overwrite(scene.owned.value, scene.key_begin, scene.key_end, fill);
  if (queries) overwrite(scene.owned.query, scene.query_begin, scene.query_end, fill);
}

ForwardRun forward_of(const Scene& scene, const std::string& spec) {
  return run_forward(scene.owned.problem, DType::f32, 1, {}, spec);
}

// Rows of [row_begin, row_end) that differ in a bit. NaN differs from everything: no row is NaN.
std::int64_t changed_rows(const Scene& scene, const ForwardRun& a, const ForwardRun& b) {
  std::int64_t changed = 0;
  a.lse.for_each([&](auto batch, auto h, auto i, auto) {
    if (i < scene.row_begin || i >= scene.row_end) return;
    bool same = a.lse.get(batch, h, i, 0) == b.lse.get(batch, h, i, 0);
    for (std::int64_t c = 0; c < a.out.shape()[3]; ++c)
      same = same && a.out.get(batch, h, i, c) == b.out.get(batch, h, i, c);
    changed += same ? 0 : 1;
  });
  return changed;
}

// Whether the part takes the problem at all; what it does not take it names.
bool is_supported(const Scene& scene, const std::string& spec) {
  try {
    forward_of(scene, spec);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << spec << ": " << error.what();
    return false;
  }
}

bool is_strict(const PartCase& part, const Scene& scene) {
  const Problem& problem = scene.owned.problem;
  const bool band =
      problem.causal != Causal::none || problem.window.left >= 0 || problem.window.right >= 0;
  const bool everywhere = part.strict == Strict::yes || part.strict == Strict::in_keys;
  return everywhere || !band || (scene.no_row_sees && part.strict != Strict::no);
}

void store_in_bf16(TensorBuffer& tensor, TensorView& view) {
  TensorBuffer stored(DType::bf16, tensor.shape());
  stored.for_each(
      [&](auto b, auto h, auto i, auto c) { stored.set(b, h, i, c, tensor.get(b, h, i, c)); });
  tensor = std::move(stored);
  view = tensor.view();
}

// The scene with inputs that meet their rows on tiles where the machine has them.
MakeScene in_bf16(const MakeScene& make) {
  return [&make] {
    Scene scene = make();
    Problem& problem = scene.owned.problem;
    store_in_bf16(scene.owned.query, problem.query);
    store_in_bf16(scene.owned.key, problem.key);
    store_in_bf16(scene.owned.value, problem.value);
    return scene;
  };
}

void check(const PartCase& part, const std::string& spec, const MakeScene& make) {
  const Scene before = make();
  if (spec.empty() || !is_strict(part, before) || !is_supported(before, spec)) return;
  SCOPED_TRACE(spec + ", " + before.name);
  const ForwardRun expected = forward_of(before, spec);
  Scene after = make();
  for (const std::uint64_t kind : Seeds(0, 5)) {
    const Garbage garbage = all_garbage()[kind];
    set_garbage(after, garbage.make(), before.padded || part.strict != Strict::in_keys);
    try {
      EXPECT_EQ(changed_rows(before, expected, forward_of(after, spec)), 0) << garbage.name;
    } catch (const Error& error) {  // of a row that sees it
      EXPECT_NE(std::string(error.what()).find("overflow"), std::string::npos) << error.what();
    }
  }
}

TEST(HiddenEntries, AreTriedWithEveryPartOfTheRegistry) {
  for (const PartInfo& part : method_parts()) {
    const bool tried = std::any_of(all_parts().begin(), all_parts().end(), [&](const auto& c) {
      return c.spec.substr(0, c.spec.find('(')) == part.name;
    });
    // The caller's own entries, and another name of topk.
    EXPECT_TRUE(tried || part.name == "given" || part.name == "knn") << part.name;
  }
}

TEST(HiddenEntries, ChangeNoBitOfARow) {
  std::size_t turn = 0;
  for (const PartCase& part : all_parts())
    for (const MakeScene& make : all_scenes())
      for (const std::string& spec : {part.spec, with_sink_and_window(part.spec)})
        if (turn++ % kEvery == 0) check(part, spec, make);
}

TEST(HiddenEntries, ChangeNoBitOfARowOnTiles) {
  const kernels::TileEngine* hardware = amx_hardware();
  const TileEngineScope scope(hardware != nullptr ? *hardware : kernels::model_engine());
  std::size_t turn = 0;
  const std::size_t every = hardware != nullptr ? 3 : 7;  // of the cases: the model is slow
  for (const PartCase& part : all_parts())
    for (const MakeScene& make : all_scenes())
      for (const std::string& spec : {part.spec, with_sink_and_window(part.spec)})
        if (turn++ % (every * kEvery) == 0) check(part, spec, in_bf16(make));
}

// Lists whose length and weights are up to values, and groups of rows to queries, that some of
// their rows do not see.
TEST(HiddenEntries, ChangeNoSampleOnTiles) {
  const kernels::TileEngine* hardware = amx_hardware();
  const TileEngineScope scope(hardware != nullptr ? *hardware : kernels::model_engine());
  for (const std::string spec :
       {"rownorm(m=24,d=24)", "rownorm(m=64,d=64)", "window(48)+rownorm(m=40,d=40)",
        "window(32)+approxd(m=64)", "approxd(m=30)", "sortlsh(block=16,bits=4)+uniform(m=64)"}) {
    std::size_t turn = 0;
    for (const MakeScene& make : all_scenes())
      if (turn++ % (hardware != nullptr ? 1 : 5) == 0)
        check({spec, Strict::yes}, spec, in_bf16(make));
  }
}

// A query that is not finite ruins its own row, and takes no place: the others get what they get
// where the mask hides all keys from its row.
TEST(HiddenEntries, NonFiniteQueriesRuinTheirOwnRowsAlone) {
  const std::int64_t n = 200, kept = 150;
  Scene masked = make_scene("", n, n);
  masked.owned.boolean_mask.assign(static_cast<std::size_t>(n * n), 1);
  std::fill_n(masked.owned.boolean_mask.begin() + kept * n, (n - kept) * n, 0);
  masked.owned.problem.mask = {
      MaskKind::boolean, masked.owned.boolean_mask.data(), {1, 1, n, n}, {n * n, n * n, n, 1}};
  masked.row_end = kept;
  for (const PartCase& part : all_parts()) {
    if (!is_supported(masked, part.spec)) continue;
    SCOPED_TRACE(part.spec);
    const ForwardRun expected = forward_of(masked, part.spec);
    for (const double value : {std::nan(""), HUGE_VAL}) {
      Scene wild = make_scene("", n, n);
      overwrite(wild.owned.query, kept, n, [&] { return value; });
      const ForwardRun found = forward_of(wild, part.spec);
      if (part.strict != Strict::no && !part.exact_under_masks)
        EXPECT_EQ(changed_rows(masked, expected, found), 0);
      else
        EXPECT_EQ(changed_rows(masked, found, found), 0);  // none is NaN
      EXPECT_TRUE(std::isnan(found.out.get(0, 0, n - 1, 0)));
    }
  }
}

TEST(HiddenEntries, EveryPartTakesACausalProblem) {
  for (const PartCase& part : all_parts())
    EXPECT_TRUE(is_supported(causal(Causal::top_left, 290, 290, 170), part.spec)) << part.spec;
}

// What is not strict says so in the path.
TEST(HiddenEntries, PublishedFormsFeelLaterTokensAndSaySo) {
  const MakeScene make = [] { return causal(Causal::top_left, 290, 290, 170); };
  const Scene before = make();
  for (const PartCase& part : all_parts()) {
    SCOPED_TRACE(part.spec);
    const ForwardRun run = forward_of(before, part.spec);
    EXPECT_EQ(run.report.path.find(":published") != std::string::npos,
              part.strict == Strict::published);
    const bool lax = part.strict == Strict::no || part.strict == Strict::in_keys;
    if (run.report.exact_heads > 0) continue;  // as far may
    EXPECT_EQ(run.report.path.find(":not-strict") != std::string::npos, lax);
    if (part.strict != Strict::published) continue;
    Scene after = make();
    set_garbage(after, all_garbage().front().make(), true);
    EXPECT_GT(changed_rows(before, run, forward_of(after, part.spec)), 0);
  }
}

// Under a mask that differs from row to row, what is hashed or drawn by norms says so.
TEST(HiddenEntries, ElementMasksByRowAreNamed) {
  const Scene scene = padding_by_row();
  Scene by_key = padding(MaskKind::boolean, 150);
  for (const std::string spec :
       {"exact", "window(9)+uniform(m=40)", "topk(k=12)", "sink(3)+prefix(m=40)"})
    EXPECT_EQ(forward_of(scene, spec).report.path.find("not-strict"), std::string::npos) << spec;
  for (const std::string spec : {"sortlsh(block=32,bits=5)", "window(9)+rownorm(m=40,d=40)",
                                 "approxd(m=40)", "topk(k=12,candidates=lsh,tables=3,bits=4)"}) {
    EXPECT_NE(forward_of(scene, spec).report.path.find("not-strict"), std::string::npos) << spec;
    EXPECT_EQ(forward_of(by_key, spec).report.path.find("not-strict"), std::string::npos) << spec;
  }
}

BackwardRun backward_of(const Scene& scene, const std::string& spec, const ForwardRun& forward,
                        const Upstream& upstream) {
  const Problem& problem = scene.owned.problem;
  BackwardRun run{TensorBuffer(DType::f32, problem.query.shape),
                  TensorBuffer(DType::f32, problem.key.shape),
                  TensorBuffer(DType::f32, problem.value.shape),
                  {}};
  Options options;
  options.threads = 1;
  run.report = attend_backward(problem, spec, backward_arguments(forward, upstream, run), options);
  return run;
}

std::int64_t nonzeros(const TensorBuffer& tensor, std::int64_t begin, std::int64_t end) {
  std::int64_t count = 0;
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    count += i >= begin && i < end && tensor.get(b, h, i, c) != 0 ? 1 : 0;
  });
  return count;
}

void check_gradients(const PartCase& part, const std::string& spec, const MakeScene& make) {
  const Scene before = make();
  if (spec.empty() || !before.no_row_sees || !is_strict(part, before) ||
      !is_supported(before, spec))
    return;
  SCOPED_TRACE(spec + ", " + before.name);
  const Upstream upstream = random_upstream(before.owned.problem, 5, DType::f32);
  const BackwardRun expected = backward_of(before, spec, forward_of(before, spec), upstream);
  Scene after = make();
  for (const std::uint64_t kind : Seeds(0, 5)) {
    const Garbage garbage = all_garbage()[kind];
    SCOPED_TRACE(garbage.name);
    set_garbage(after, garbage.make(), before.padded);
    const BackwardRun found = backward_of(after, spec, forward_of(after, spec), upstream);
    EXPECT_TRUE(found.query.words() == expected.query.words());
    EXPECT_TRUE(found.key.words() == expected.key.words());
    EXPECT_TRUE(found.value.words() == expected.value.words());
    EXPECT_EQ(nonzeros(found.key, before.key_begin, before.key_end), 0);
    EXPECT_EQ(nonzeros(found.value, before.key_begin, before.key_end), 0);
  }
}

TEST(HiddenEntries, GetNoGradientAndChangeNone) {
  for (const PartCase& part : all_parts())
    for (const MakeScene& make : all_scenes())
      for (const std::string& spec : {part.spec, with_sink_and_window(part.spec)})
        check_gradients(part, spec, make);
}

}  // namespace
}  // namespace subquad::testing
