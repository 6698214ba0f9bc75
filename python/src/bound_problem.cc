#include "bound_problem.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <utility>

namespace subquad::python {
namespace {

Alignment alignment_of(std::string_view name) {
  if (name == "top_left") return Alignment::top_left;
  if (name == "bottom_right") return Alignment::bottom_right;
  throw_invalid("window_alignment: '" + std::string(name) +
                "' is neither top_left nor bottom_right");
}

}  // namespace

Causal causal_of(std::string_view name) {
  if (name == "none") return Causal::none;
  if (name == "top_left") return Causal::top_left;
  if (name == "bottom_right") return Causal::bottom_right;
  throw_invalid("causal: '" + std::string(name) + "' is none of none, top_left and bottom_right");
}

BoundProblem::BoundProblem(Array query, Array key, Array value, std::optional<double> scale,
                           const std::string& causal, const WindowSides& window,
                           std::optional<Array> mask, const std::vector<double>& sink_logits,
                           std::vector<std::int64_t> query_offsets,
                           std::vector<std::int64_t> key_offsets)
    : query_(std::move(query)),
      key_(std::move(key)),
      value_(std::move(value)),
      mask_(std::move(mask)),
      sink_logits_(sink_logits.begin(), sink_logits.end()),
      query_offsets_(std::move(query_offsets)),
      key_offsets_(std::move(key_offsets)) {
  problem_.query = tensor_of("query", query_);
  problem_.key = tensor_of("key", key_);
  problem_.value = tensor_of("value", value_);
  if (scale) problem_.scale = static_cast<float>(*scale);
  problem_.causal = causal_of(causal);
  const auto& [left, right, alignment] = window;
  problem_.window = {left, right, alignment_of(alignment)};
  if (mask_) problem_.mask = mask_of(*mask_);
  problem_.sink_logits = sink_logits_;
  problem_.query_offsets = query_offsets_;
  problem_.key_offsets = key_offsets_;
}

BoundGiven::BoundGiven(std::vector<std::int64_t> offsets, std::vector<std::int32_t> keys)
    : offsets_(std::move(offsets)), keys_(std::move(keys)) {
  mask_.kind = GivenKind::rows;
  mask_.offsets = offsets_;
  mask_.keys = keys_;
}

BoundGiven::BoundGiven(std::vector<std::int64_t> offsets, const std::vector<std::int32_t>& pairs,
                       std::int64_t query_block_size, std::int64_t key_block_size)
    : offsets_(std::move(offsets)) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) blocks_.push_back({pairs[i], pairs[i + 1]});
  mask_.kind = GivenKind::blocks;
  mask_.offsets = offsets_;
  mask_.query_block_size = query_block_size;
  mask_.key_block_size = key_block_size;
  mask_.blocks = blocks_;
}

void bind_problem(nb::module_& module) {
  nb::class_<BoundProblem>(module, "Problem")
      .def(nb::init<Array, Array, Array, std::optional<double>, const std::string&,
                    const WindowSides&, std::optional<Array>, const std::vector<double>&,
                    std::vector<std::int64_t>, std::vector<std::int64_t>>(),
           nb::arg("query"), nb::arg("key"), nb::arg("value"), nb::arg("scale").none(),
           nb::arg("causal"), nb::arg("window"), nb::arg("mask").none(), nb::arg("sink_logits"),
           nb::arg("query_offsets"), nb::arg("key_offsets"))
      .def("validate", [](const BoundProblem& problem) { validate(problem.get()); });
  nb::class_<BoundGiven>(module, "Given")
      .def(nb::init<std::vector<std::int64_t>, std::vector<std::int32_t>>(), nb::arg("offsets"),
           nb::arg("keys"))
      .def(nb::init<std::vector<std::int64_t>, const std::vector<std::int32_t>&, std::int64_t,
                    std::int64_t>(),
           nb::arg("offsets"), nb::arg("pairs"), nb::arg("query_block_size"),
           nb::arg("key_block_size"));
}

}  // namespace subquad::python
