#include "property/heavy_light_support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>

namespace subquad::testing {

const std::vector<std::string> heavy_specs{
    "",
    "sink(3)",
    "window(9)",
    "sortlsh(block=16,bits=4)",
    "sortlsh(block=1,bits=1,center=false)",
    "sortlsh(block=31,bits=12,rounds=3)",
    "sink(5)+window(17)",
    "window(17)+sink(5)",
    "sink(2)+sink(7)+window(4)+window(12)",
    "sortlsh(block=24)+sink(2)+window(30)",
    "window(30)+sortlsh(block=24,bits=6,rounds=2)+sink(2)",
    "sortlsh(block=16,neighbors=1,norm=true)",
    "window(11)+sortlsh(block=8,rounds=2,neighbors=40)",
    "topk(k=3)",
    "window(5)+topk(k=40)",
    "topk(k=5,candidates=lsh,tables=2,bits=3)",
    "topk(k=5,candidates=clusters,clusters=7,probes=2)+sink(2)",
};

DType type_of(std::uint64_t seed) {
  constexpr DType types[] = {DType::f32, DType::bf16, DType::f32, DType::f16};
  return types[seed % 4];
}

OwnedProblem made_causal(OwnedProblem random, std::uint64_t seed) {
  if (random.problem.causal == Causal::none) {
    random.problem.causal = seed % 2 == 0 ? Causal::top_left : Causal::bottom_right;
    random.description += seed % 2 == 0 ? ", made top_left" : ", made bottom_right";
  }
  return random;
}

MethodRun run_method(const Problem& problem, const std::string& spec, int threads,
                     std::uint64_t seed, std::span<const GivenMask> given) {
  const Shape4& q = problem.query.shape;
  const Shape4 rows{q[0], q[1], q[2], 1};
  MethodRun run{TensorBuffer(DType::f32, {q[0], q[1], q[2], problem.value.shape[3]}),
                TensorBuffer(DType::f32, rows),
                TensorBuffer(DType::f32, rows),
                {}};
  Options options;
  options.threads = threads;
  options.seed = seed;
  options.given = given;
  run.report = attend(
      problem, spec, {run.out.mutable_view(), run.lse.mutable_view(), run.row_error.mutable_view()},
      options);
  return run;
}

OwnedProblem counting_problem(std::uint64_t seed) {
  OwnedProblem random = random_problem(seed, DType::f32, {.max_length = 130, .max_head_dim = 24});
  Problem& problem = random.problem;
  problem.scale = 0.0F;
  problem.sink_logits = {};
  if (problem.mask.kind == MaskKind::additive) problem.mask = {};
  problem.query_offsets = problem.key_offsets = {};
  const Shape4& k = random.key.shape();
  random.value = TensorBuffer(DType::f32, {k[0], k[1], k[2], std::max<std::int64_t>(1, k[2])});
  random.value.for_each(
      [&](auto b, auto h, auto j, auto c) { random.value.set(b, h, j, c, j == c ? 1.0 : 0.0); });
  problem.value = random.value.view();
  return random;
}

double weight(const MethodRun& run, std::int64_t b, std::int64_t h, std::int64_t i,
              std::int64_t j) {
  const double lse = run.lse.get(b, h, i, 0);
  return std::isfinite(lse) ? run.out.get(b, h, i, j) * std::exp(lse) : 0.0;
}

bool visible(const Problem& problem, std::int64_t b, std::int64_t h, std::int64_t i,
             std::int64_t j) {
  const SequenceRange all{0, problem.query.length(), 0, problem.key.length()};
  return in_band(problem, all, i, j) && mask_entry(problem.mask, b, h, i, j) == 0.0;
}

std::int64_t seen_by_any(const Problem& problem, std::int64_t b, std::int64_t kv_head,
                         std::int64_t begin, std::int64_t end) {
  const std::int64_t group = problem.query.heads() / problem.key.heads();
  const auto seen = [&](std::int64_t key) {
    for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
      for (std::int64_t i = 0; i < problem.query.length(); ++i)
        if (visible(problem, b, h, i, key)) return true;
    return false;
  };
  std::int64_t count = 0;
  for (std::int64_t key = begin; key < end; ++key) count += seen(key) ? 1 : 0;
  return count;
}

}  // namespace subquad::testing
