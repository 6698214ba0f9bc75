#include "support/random_problem.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace subquad::testing {
namespace {

struct Sizes {
  std::int64_t batch, kv_heads, group, queries, keys, head_dim, value_dim;
  std::int64_t work() const {
    return batch * kv_heads * group * queries * keys * (head_dim + value_dim);
  }
};

std::int64_t draw_length(Draw& draw, std::int64_t limit) {
  if (draw.chance(0.03)) return 0;
  const std::int64_t scale = draw.one_of<std::int64_t>({16, 100, 100, 300});
  return draw.integer(1, std::min(scale, limit));
}

std::int64_t draw_channels(Draw& draw, std::int64_t limit) {
  std::int64_t channels = draw.integer(1, 40);
  if (draw.chance(0.3)) channels = draw.one_of<std::int64_t>({16, 32, 64, 96, 128});
  if (draw.chance(0.15)) channels = draw.integer(1, 512);
  return std::min(channels, limit);
}

Sizes draw_sizes(Draw& draw, const ProblemLimits& limits) {
  Sizes sizes{};
  do {
    sizes.batch = draw.integer(1, 3);
    sizes.kv_heads = draw.integer(1, 3);
    sizes.group = draw.one_of<std::int64_t>({1, 1, 2, 3, 4});
    sizes.queries = draw_length(draw, limits.max_length);
    sizes.keys = draw.chance(0.3) ? sizes.queries : draw_length(draw, limits.max_length);
    sizes.head_dim = draw_channels(draw, limits.max_head_dim);
    sizes.value_dim = draw.chance(0.6) ? sizes.head_dim : draw_channels(draw, limits.max_head_dim);
  } while (sizes.work() > limits.max_work);
  return sizes;
}

// Splits 0..total at random; empty sequences occur.
std::vector<std::int64_t> draw_offsets(Draw& draw, std::int64_t total, std::int64_t parts) {
  std::vector<std::int64_t> offsets{0, total};
  for (std::int64_t n = 1; n < parts; ++n) offsets.push_back(draw.integer(0, total));
  std::sort(offsets.begin(), offsets.end());
  return offsets;
}

void draw_positions(Draw& draw, OwnedProblem& random) {
  Problem& problem = random.problem;
  if (draw.chance(0.45))
    problem.causal = draw.chance(0.5) ? Causal::top_left : Causal::bottom_right;
  if (draw.chance(0.3)) {
    problem.window.left = draw.chance(0.25) ? -1 : draw.integer(0, 70);
    problem.window.right = draw.chance(0.4) ? -1 : draw.integer(0, 70);
    if (draw.chance(0.5)) problem.window.alignment = Alignment::bottom_right;
  }
  if (problem.query.batch() == 1 && draw.chance(0.5)) {
    const std::int64_t parts = draw.integer(1, 6);
    random.query_offsets = draw_offsets(draw, problem.query.length(), parts);
    random.key_offsets = draw_offsets(draw, problem.key.length(), parts);
    problem.query_offsets = random.query_offsets;
    problem.key_offsets = random.key_offsets;
  }
}

// A mask broadcast over a random subset of batch, head and query; rows padded.
std::int64_t shape_mask(Draw& draw, OwnedProblem& random) {
  Mask& mask = random.problem.mask;
  const Shape4& q = random.query.shape();
  mask.shape = {q[0], q[1], q[2], random.key.shape()[2]};
  for (std::size_t n = 0; n < 3; ++n)
    if (draw.chance(0.4)) mask.shape[n] = 1;
  const std::int64_t row = mask.shape[3] + (draw.chance(0.5) ? 0 : draw.integer(1, 9));
  mask.stride = {mask.shape[1] * mask.shape[2] * row, mask.shape[2] * row, row, 1};
  return mask.shape[0] * mask.stride[0];
}

void draw_mask(Draw& draw, OwnedProblem& random) {
  if (!random.query_offsets.empty() || draw.chance(0.55)) return;
  const auto elements = static_cast<std::size_t>(shape_mask(draw, random));
  const double density = draw.one_of({0.03, 0.3, 0.7, 0.95});
  if (draw.chance(0.5)) {
    random.problem.mask.kind = MaskKind::boolean;
    random.boolean_mask.resize(elements + 1);
    for (auto& entry : random.boolean_mask)
      entry = draw.chance(density) ? static_cast<std::uint8_t>(draw.integer(1, 255)) : 0;
    random.problem.mask.data = random.boolean_mask.data();
  } else {
    random.problem.mask.kind = MaskKind::additive;
    random.additive_mask.resize(elements + 1);
    for (auto& entry : random.additive_mask)
      entry = draw.chance(density) ? static_cast<float>(draw.normal())
                                   : -std::numeric_limits<float>::infinity();
    random.problem.mask.data = random.additive_mask.data();
  }
}

void draw_tensors(Draw& draw, OwnedProblem& random, const Sizes& sizes, DType type) {
  const std::int64_t heads = sizes.kv_heads * sizes.group;
  random.query =
      TensorBuffer(type, {sizes.batch, heads, sizes.queries, sizes.head_dim}, random_layout(draw));
  random.key = TensorBuffer(type, {sizes.batch, sizes.kv_heads, sizes.keys, sizes.head_dim},
                            random_layout(draw));
  random.value = TensorBuffer(type, {sizes.batch, sizes.kv_heads, sizes.keys, sizes.value_dim},
                              random_layout(draw));
  const double spread = std::sqrt(draw.one_of({0.1, 1.0, 1.0, 3.0, 10.0}));
  const double offset = draw.chance(0.3) ? draw.normal() : 0.0;
  random.query.fill([&] { return spread * draw.normal(); });
  random.key.fill([&] { return spread * draw.normal() + offset; });
  random.value.fill([&] { return draw.normal(); });
  random.problem.query = random.query.view();
  random.problem.key = random.key.view();
  random.problem.value = random.value.view();
}

std::string describe(const OwnedProblem& random, std::uint64_t seed) {
  const Problem& p = random.problem;
  std::string text = fmt::format(
      "seed {}: {} B {} Hq {} Hkv {} Lq {} Lk {} D {} Dv {} causal {} window {},{},{} mask {} ({})",
      seed, name_of(p.query.dtype), p.query.batch(), p.query.heads(), p.key.heads(),
      p.query.length(), p.key.length(), p.query.channels(), p.value.channels(),
      static_cast<int>(p.causal), p.window.left, p.window.right,
      static_cast<int>(p.window.alignment), static_cast<int>(p.mask.kind),
      fmt::join(p.mask.shape, ","));
  if (!p.query_offsets.empty())
    text += fmt::format(" offsets ({}) ({})", fmt::join(random.query_offsets, ","),
                        fmt::join(random.key_offsets, ","));
  return text + (p.sink_logits.empty() ? "" : " sink");
}

}  // namespace

Layout random_layout(Draw& draw) {
  Layout layout;
  if (draw.chance(0.5)) {
    for (std::size_t n = 2; n > 0; --n)
      std::swap(layout.order[n],
                layout.order[static_cast<std::size_t>(draw.integer(0, static_cast<int>(n)))]);
  }
  layout.row_padding = draw.chance(0.5) ? 0 : draw.integer(1, 19);
  layout.guard = draw.chance(0.5) ? 0 : draw.integer(1, 33);
  layout.reversed = draw.chance(0.1);
  return layout;
}

void poison(Draw& draw, TensorBuffer& tensor, double value) {
  const Shape4& shape = tensor.shape();
  if (shape[0] * shape[1] * shape[2] == 0) return;
  for (std::int64_t n = draw.integer(1, 3); n > 0; --n)
    tensor.set(draw.integer(0, shape[0] - 1), draw.integer(0, shape[1] - 1),
               draw.integer(0, shape[2] - 1), draw.integer(0, shape[3] - 1), value);
}

OwnedProblem random_problem(std::uint64_t seed, DType type, const ProblemLimits& limits) {
  Draw draw(seed);
  OwnedProblem random;
  draw_tensors(draw, random, draw_sizes(draw, limits), type);
  draw_positions(draw, random);
  draw_mask(draw, random);
  if (draw.chance(0.5)) random.problem.scale = static_cast<float>(0.2 * draw.normal());
  if (draw.chance(0.2)) {
    for (std::int64_t h = 0; h < random.query.shape()[1]; ++h)
      random.sink_logits.push_back(static_cast<float>(2.0 * draw.normal()));
    random.problem.sink_logits = random.sink_logits;
  }
  random.description = describe(random, seed);
  return random;
}

}  // namespace subquad::testing
