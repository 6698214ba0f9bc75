// Problems and given masks that keep the arrays alive which they view.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "arrays.h"

namespace subquad::python {

// A window as the package gives it: left and right, -1 for no limit, and its alignment.
using WindowSides = std::tuple<std::int64_t, std::int64_t, std::string>;

// `none`, `top_left` or `bottom_right`; throws Error otherwise.
Causal causal_of(std::string_view name);

// subquad::Problem and what it points to. Stays where it is.
class BoundProblem {
 public:
  BoundProblem(Array query, Array key, Array value, std::optional<double> scale,
               const std::string& causal, const WindowSides& window, std::optional<Array> mask,
               const std::vector<double>& sink_logits, std::vector<std::int64_t> query_offsets,
               std::vector<std::int64_t> key_offsets);
  BoundProblem(const BoundProblem&) = delete;
  BoundProblem& operator=(const BoundProblem&) = delete;

  const Problem& get() const { return problem_; }

 private:
  Array query_, key_, value_;
  std::optional<Array> mask_;
  std::vector<float> sink_logits_;
  std::vector<std::int64_t> query_offsets_, key_offsets_;
  Problem problem_;
};

// subquad::GivenMask and its lists. Stays where it is.
class BoundGiven {
 public:
  // rows: query position i meets keys[offsets[i]] .. keys[offsets[i + 1] - 1].
  BoundGiven(std::vector<std::int64_t> offsets, std::vector<std::int32_t> keys);
  // blocks: query block and key block of each pair, one after the other.
  BoundGiven(std::vector<std::int64_t> offsets, const std::vector<std::int32_t>& pairs,
             std::int64_t query_block_size, std::int64_t key_block_size);
  BoundGiven(const BoundGiven&) = delete;
  BoundGiven& operator=(const BoundGiven&) = delete;

  const GivenMask& get() const { return mask_; }

 private:
  std::vector<std::int64_t> offsets_;
  std::vector<std::int32_t> keys_;
  std::vector<BlockPair> blocks_;
  GivenMask mask_;
};

void bind_problem(nb::module_& module);

}  // namespace subquad::python
