// The problems whose results are recorded: every kind of mask, layout and type, by name.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "subquad/attention.h"
#include "support/draw.h"
#include "support/owned_problem.h"

namespace subquad::testing {

// A problem, and the masks that given(0), given(1), .. stand for.
struct Scene {
  OwnedProblem owned;
  std::vector<std::int64_t> row_offsets, head_row_offsets, head_block_offsets;
  std::vector<std::int32_t> row_keys, head_row_keys;
  std::vector<BlockPair> blocks, head_blocks;
  std::vector<GivenMask> given;

  Problem& problem() { return owned.problem; }
  const Problem& problem() const { return owned.problem; }
};

// Of mean 0 and variance 1, from additions alone: the same on every machine, unlike log and cos.
inline double rounded_normal(Draw& draw) {
  return 1.7320508 * (draw.unit() + draw.unit() + draw.unit() + draw.unit() - 2.0);
}

struct SceneShape {
  Dimensions sizes{1, 2, 2, 70, 97, 12, 0};
  DType type = DType::f32;
  double spread = 1;         // of queries and keys
  std::int64_t centres = 0;  // of the keys and queries; 0: one cloud
  double offset = 0;         // of every key, in every channel
  Layout layout = {};
};

// Points around centres, a third as far from them as they are from each other.
inline void fill_points(TensorBuffer& tensor, const SceneShape& shape, double offset, Draw& draw) {
  const std::int64_t channels = tensor.shape()[3];
  std::vector<double> centres(static_cast<std::size_t>(shape.centres * channels));
  Draw centre_draw(99);
  for (double& x : centres) x = rounded_normal(centre_draw);
  std::int64_t centre = 0;
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    double x = rounded_normal(draw);
    if (shape.centres > 0) {
      if (c == 0) centre = draw.integer(0, shape.centres - 1);
      x = x / 3 + centres[static_cast<std::size_t>(centre * channels + c)];
    }
    tensor.set(b, h, i, c, shape.spread * x + offset);
  });
}

inline Scene make_scene(const SceneShape& shape, std::uint64_t seed = 1) {
  const Dimensions& s = shape.sizes;
  Scene scene;
  OwnedProblem& owned = scene.owned;
  owned.query = TensorBuffer(shape.type, {s.batch, s.heads, s.queries, s.head_dim}, shape.layout);
  owned.key = TensorBuffer(shape.type, {s.batch, s.kv_heads, s.keys, s.head_dim}, shape.layout);
  owned.value = TensorBuffer(
      shape.type, {s.batch, s.kv_heads, s.keys, s.value_dim > 0 ? s.value_dim : s.head_dim},
      shape.layout);
  Draw draw(seed);
  fill_points(owned.query, shape, 0, draw);
  fill_points(owned.key, shape, shape.offset, draw);
  owned.value.fill([&] { return rounded_normal(draw) + 0.25; });
  owned.problem.query = owned.query.view();
  owned.problem.key = owned.key.view();
  owned.problem.value = owned.value.view();
  return scene;
}

inline Scene masked_scene(MaskKind kind, const Shape4& mask_shape) {
  Scene scene = make_scene({});
  Mask& mask = scene.problem().mask;
  mask = {kind, nullptr, mask_shape, dense_strides(mask_shape)};
  Draw draw(17);
  const auto entries = static_cast<std::size_t>(mask_shape[0] * mask.stride[0]);
  if (kind == MaskKind::boolean) {
    for (std::size_t n = 0; n < entries; ++n)
      scene.owned.boolean_mask.push_back(draw.chance(0.7) ? 1 : 0);
    mask.data = scene.owned.boolean_mask.data();
  } else {
    for (std::size_t n = 0; n < entries; ++n)
      scene.owned.additive_mask.push_back(draw.chance(0.8)
                                              ? static_cast<float>(rounded_normal(draw))
                                              : -std::numeric_limits<float>::infinity());
    mask.data = scene.owned.additive_mask.data();
  }
  return scene;
}

// Ragged: one sequence is empty, one has queries but no keys.
inline Scene packed_scene(Causal causal) {
  Scene scene = make_scene({{1, 4, 2, 120, 150, 12, 0}});
  scene.owned.query_offsets = {0, 40, 40, 45, 120};
  scene.owned.key_offsets = {0, 61, 61, 61, 150};
  scene.problem().query_offsets = scene.owned.query_offsets;
  scene.problem().key_offsets = scene.owned.key_offsets;
  scene.problem().causal = causal;
  return scene;
}

inline Scene sinks_scene() {
  Scene scene = make_scene({{1, 4, 2, 61, 97, 12, 0}});
  scene.owned.sink_logits = {0.5f, -1.0f, 3.0f, -std::numeric_limits<float>::infinity()};
  scene.problem().sink_logits = scene.owned.sink_logits;
  scene.problem().scale = 0.4f;
  return scene;
}

// Head 0 has an infinite value and a NaN among its values, head 1 a key far away and an infinite
// one.
inline Scene wild_scene(Causal causal) {
  Scene scene = make_scene({{1, 2, 2, 70, 97, 12, 0}});
  scene.problem().causal = causal;
  const double infinity = std::numeric_limits<double>::infinity();
  scene.owned.value.set(0, 0, 11, 3, infinity);
  scene.owned.value.set(0, 0, 40, 5, std::nan(""));
  scene.owned.key.set(0, 1, 33, 2, 1e30);
  scene.owned.key.set(0, 1, 50, 4, infinity);
  return scene;
}

inline Scene banded_scene(const SceneShape& shape, Causal causal, const Window& window = {}) {
  Scene scene = make_scene(shape);
  scene.problem().causal = causal;
  scene.problem().window = window;
  return scene;
}

// given(2), given(3): of given(0) and given(1) each head has what the heads before it have, and
// more.
inline void add_given_by_head(Scene& scene) {
  const std::int64_t heads = scene.problem().query.heads();
  scene.head_row_offsets = {0};
  scene.head_block_offsets = {0};
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::size_t row = 0; row + 1 < scene.row_offsets.size(); ++row) {
      const auto begin = scene.row_keys.begin() + scene.row_offsets[row];
      const std::int64_t count = scene.row_offsets[row + 1] - scene.row_offsets[row];
      scene.head_row_keys.insert(scene.head_row_keys.end(), begin, begin + count * (h + 1) / heads);
      scene.head_row_offsets.push_back(std::ssize(scene.head_row_keys));
    }
    const std::int64_t pairs = std::ssize(scene.blocks) * (h + 1) / heads;
    scene.head_blocks.insert(scene.head_blocks.end(), scene.blocks.begin(),
                             scene.blocks.begin() + pairs);
    scene.head_block_offsets.push_back(std::ssize(scene.head_blocks));
  }
  scene.given.push_back({GivenKind::rows, scene.head_row_offsets, scene.head_row_keys, 0, 0, {}});
  scene.given.push_back(
      {GivenKind::blocks, scene.head_block_offsets, {}, 16, 24, scene.head_blocks});
}

// given(0): rows of every third key or so, some without any; given(1): blocks of 16 x 24.
inline Scene given_scene(const Dimensions& sizes, Causal causal) {
  Scene scene = make_scene({sizes});
  scene.problem().causal = causal;
  Draw draw(5);
  scene.row_offsets = {0};
  for (std::int64_t row = 0; row < sizes.queries; ++row) {
    for (std::int64_t key = 0; key < sizes.keys; ++key)
      if (draw.chance(row % 7 == 0 ? 0.0 : 0.3))
        scene.row_keys.push_back(static_cast<std::int32_t>(key));
    scene.row_offsets.push_back(static_cast<std::int64_t>(scene.row_keys.size()));
  }
  for (std::int64_t pair = 0; pair < sizes.queries / 6; ++pair)
    scene.blocks.push_back({static_cast<std::int32_t>(draw.integer(0, sizes.queries / 16)),
                            static_cast<std::int32_t>(draw.integer(0, sizes.keys / 24))});
  scene.given = {{GivenKind::rows, scene.row_offsets, scene.row_keys, 0, 0, {}},
                 {GivenKind::blocks, {}, {}, 16, 24, scene.blocks}};
  add_given_by_head(scene);
  return scene;
}

inline constexpr Dimensions kSquare{1, 2, 2, 97, 97, 12, 0};
inline constexpr Dimensions kLong{1, 2, 1, 400, 600, 16, 0};
inline constexpr Dimensions kLongSquare{1, 1, 1, 600, 600, 16, 0};
inline constexpr Dimensions kFar{1, 2, 1, 2304, 2304, 16, 8};

inline const std::map<std::string, std::function<Scene()>> scene_makers{
    {"plain", [] { return make_scene({}); }},
    {"batch",
     [] {
       return make_scene({{3, 2, 2, 41, 66, 16, 0}});
     }},
    {"grouped",
     [] {
       return make_scene({{2, 6, 2, 35, 70, 16, 0}});
     }},
    {"odd",
     [] {
       return make_scene({{1, 3, 1, 53, 101, 13, 7}});
     }},
    {"wide",
     [] {
       return make_scene({{1, 1, 1, 49, 90, 72, 40}});
     }},
    {"bf16",
     [] {
       return make_scene({{1, 2, 2, 70, 97, 12, 20}, DType::bf16});
     }},
    {"f16",
     [] {
       return make_scene({{1, 4, 2, 70, 97, 12, 0}, DType::f16});
     }},
    {"sharp",
     [] {
       return make_scene({{1, 2, 2, 70, 97, 12, 0}, DType::f32, 2.5, 0, 0.5});
     }},
    {"strided",
     [] {
       return make_scene({{2, 2, 2, 41, 66, 12, 0}, DType::f32, 1, 0, 0, {{2, 1, 0}, 5, 3, true}});
     }},
    {"no-keys",
     [] {
       return make_scene({{1, 2, 2, 9, 0, 12, 0}});
     }},
    {"step",
     [] {
       return make_scene({{1, 4, 2, 2, 1500, 16, 0}});
     }},
    {"wild", [] { return wild_scene(Causal::none); }},
    {"wild-causal", [] { return wild_scene(Causal::bottom_right); }},
    {"sinks", sinks_scene},
    {"boolean",
     [] {
       return masked_scene(MaskKind::boolean, {1, 2, 70, 97});
     }},
    {"padding",
     [] {
       return masked_scene(MaskKind::boolean, {1, 1, 1, 97});
     }},
    {"additive",
     [] {
       return masked_scene(MaskKind::additive, {1, 1, 70, 97});
     }},
    {"packed", [] { return packed_scene(Causal::none); }},
    {"packed-causal", [] { return packed_scene(Causal::bottom_right); }},
    {"causal", [] { return banded_scene({kSquare}, Causal::top_left); }},
    {"decode",
     [] {
       return banded_scene({{1, 4, 2, 31, 97, 12, 0}}, Causal::bottom_right);
     }},
    {"window",
     [] {
       return banded_scene({}, Causal::none, {25, 14, Alignment::bottom_right});
     }},
    {"causal-window",
     [] {
       return banded_scene({kSquare}, Causal::top_left, {30, -1});
     }},
    {"given",
     [] {
       return given_scene({1, 4, 2, 83, 97, 12, 0}, Causal::none);
     }},
    {"given-causal",
     [] {
       return given_scene({1, 2, 1, 230, 270, 12, 0}, Causal::bottom_right);
     }},
    {"long",
     [] {
       return make_scene({kLong, DType::f32, 1.2, 12});
     }},
    {"long-causal",
     [] {
       return banded_scene({kLongSquare, DType::f32, 1.2, 12}, Causal::top_left);
     }},
    {"long-decode",
     [] {
       return banded_scene({{1, 4, 2, 200, 500, 16, 24}, DType::f32, 1.0, 12},
                           Causal::bottom_right);
     }},
    {"clouds",
     [] {
       return make_scene({{1, 2, 2, 500, 600, 6, 3}, DType::f32, 1.2, 12});
     }},
    {"far",
     [] {
       return make_scene({kFar, DType::f32, 1.2, 24});
     }},
    {"far-bf16",
     [] {
       return make_scene({kFar, DType::bf16, 0.8, 60}, 2);
     }},
    {"far-causal",
     [] {
       return banded_scene({{1, 1, 1, 2304, 2304, 16, 8}, DType::f32, 1.0, 24},
                           Causal::bottom_right);
     }},
};

// Made when first asked for, then kept.
inline const Scene& scene_named(const std::string& name) {
  static std::map<std::string, Scene> made;
  const auto found = made.find(name);
  if (found != made.end()) return found->second;
  return made.emplace(name, scene_makers.at(name)()).first->second;
}

}  // namespace subquad::testing
