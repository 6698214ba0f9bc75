#include <cmath>
#include <string>

#include <fmt/format.h>

#include "core/checks.h"
#include "subquad/error.h"
#include "subquad/problem.h"

namespace subquad {
namespace {

void check_input(const char* name, const TensorView& view) {
  check_extents(name, view, "positions", "head_dim (last extent)");
}

void check_shapes(const Problem& p) {
  check_equal("key", "batch", p.key.batch(), "query", p.query.batch());
  check_equal("value", "batch", p.value.batch(), "query", p.query.batch());
  check_equal("key", "head_dim", p.key.channels(), "query", p.query.channels());
  check_equal("value", "number of heads", p.value.heads(), "key", p.key.heads());
  check_equal("value", "length", p.value.length(), "key", p.key.length());
  if (p.key.heads() < 1 || p.query.heads() < 1)
    throw_invalid(fmt::format("{}: needs at least one head", p.key.heads() < 1 ? "key" : "query"));
  if (p.query.heads() % p.key.heads() != 0)
    throw_invalid(fmt::format("query: {} heads are not a multiple of the {} key/value heads",
                              p.query.heads(), p.key.heads()));
}

void check_window(const Window& window) {
  if (window.left < -1 || window.right < -1)
    throw_invalid(fmt::format("window: left {} and right {} must be -1 (no limit) or more",
                              window.left, window.right));
}

void check_mask(const Problem& p) {
  const Mask& mask = p.mask;
  check_enum("mask.kind", mask.kind, MaskKind::additive);
  if (mask.kind == MaskKind::none) {
    if (mask.data != nullptr) throw_invalid("mask: has data, but its kind is none");
    if (mask.shape != Shape4{} || mask.stride != Shape4{})
      throw_invalid("mask: has a shape or strides, but its kind is none");
    return;
  }
  const Shape4 full{p.query.batch(), p.query.heads(), p.query.length(), p.key.length()};
  bool any = true;
  for (std::size_t axis = 0; axis < 4; ++axis) {
    const bool broadcast = axis < 3 && mask.shape[axis] == 1;
    if (mask.shape[axis] != full[axis] && !broadcast)
      throw_invalid(fmt::format("mask: extent {} is {}, must be {}{}", axis, mask.shape[axis],
                                full[axis], axis < 3 ? " or 1" : ""));
    any &= mask.shape[axis] > 0;
  }
  if (any && mask.data == nullptr) throw_invalid("mask: no data");
  if (mask.shape[3] > 1 && mask.stride[3] != 1)
    throw_invalid(fmt::format("mask: last stride is {}, must be 1", mask.stride[3]));
  if (any && mask.kind == MaskKind::additive) check_aligned("mask", mask.data, sizeof(float));
  region_of(mask);
}

void check_sinks(const Problem& p) {
  if (p.sink_logits.empty()) return;
  check_span("sink_logits", p.sink_logits);
  check_equal("sink_logits", "count", static_cast<std::int64_t>(p.sink_logits.size()),
              "query (heads)", p.query.heads());
}

// Reads no further than to the first entry that is wrong.
void check_offsets(const char* name, std::span<const std::int64_t> offsets, std::int64_t length) {
  check_span(name, offsets);
  if (std::ssize(offsets) - 1 > kMaxLength)
    throw_invalid(fmt::format("{}: {} sequences, at most {} are supported", name,
                              offsets.size() - 1, kMaxLength));
  if (offsets.front() != 0)
    throw_invalid(fmt::format("{}: must start with 0, not {}", name, offsets.front()));
  for (std::size_t s = 1; s < offsets.size(); ++s) {
    if (offsets[s] < offsets[s - 1])
      throw_invalid(fmt::format("{}: entry {} is {}, below the entry before it ({})", name, s,
                                offsets[s], offsets[s - 1]));
    if (offsets[s] > length)
      throw_invalid(fmt::format("{}: entry {} is {}, but the tensor has {} positions", name, s,
                                offsets[s], length));
  }
  if (offsets.back() != length)
    throw_invalid(fmt::format("{}: ends at {}, but the tensor has {} positions", name,
                              offsets.back(), length));
}

void check_packed(const Problem& p) {
  if (p.query_offsets.empty() && p.key_offsets.empty()) return;
  if (p.query_offsets.size() != p.key_offsets.size())
    throw_invalid(fmt::format("key_offsets: {} entries, but query_offsets has {}",
                              p.key_offsets.size(), p.query_offsets.size()));
  check_offsets("query_offsets", p.query_offsets, p.query.length());
  check_offsets("key_offsets", p.key_offsets, p.key.length());
  if (p.query.batch() != 1) throw_invalid("query: packed sequences need batch 1");
  if (p.mask.kind != MaskKind::none)
    throw_invalid("mask: not supported with packed sequences; give each sequence its own call");
}

}  // namespace

float resolved_scale(const Problem& problem) {
  if (problem.scale) return *problem.scale;
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(problem.query.channels())));
}

void validate(const Problem& problem) {
  check_input("query", problem.query);
  check_input("key", problem.key);
  check_input("value", problem.value);
  check_shapes(problem);
  if (problem.scale && !std::isfinite(*problem.scale))
    throw_invalid(fmt::format("scale: {} is not finite", *problem.scale));
  check_enum("causal", problem.causal, Causal::bottom_right);
  check_enum("window.alignment", problem.window.alignment, Alignment::bottom_right);
  check_window(problem.window);
  check_packed(problem);
  check_mask(problem);
  check_sinks(problem);
}

}  // namespace subquad
