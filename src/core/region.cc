// Two strided views share a byte where a sum of bounded multiples of their strides has the distance
// of their first bytes: a Diophantine equation, searched from the largest stride down.
#include "core/region.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad {
namespace {

// step * x with x from 0 to last.
struct Term {
  std::int64_t step;
  std::int64_t last;
};

// Whether sum_k step_k x_k + u = target for some x and some u from 0 to `slack`.
class Search {
 public:
  Search(std::vector<Term> terms, std::int64_t slack) : slack_(slack) {
    std::sort(terms.begin(), terms.end(),
              [](const Term& a, const Term& b) { return a.step < b.step; });
    for (const Term& term : terms) add(term);
    std::reverse(terms_.begin(), terms_.end());
    reach_.push_back(slack_);
    divisor_.push_back(0);
    for (auto term = terms_.rbegin(); term != terms_.rend(); ++term) {
      reach_.push_back(reach_.back() + term->step * term->last);
      divisor_.push_back(std::gcd(divisor_.back(), term->step));
    }
    std::reverse(reach_.begin(), reach_.end());
    std::reverse(divisor_.begin(), divisor_.end());
  }

  bool finds(std::int64_t target) {
    steps_left_ = 1 << 18;
    return finds(0, target);
  }

 private:
  // Ascending: one that leaves no gap widens the slack, one of the same step lengthens the other.
  void add(const Term& term) {
    if (terms_.empty() && term.step <= slack_ + 1)
      slack_ += term.step * term.last;
    else if (!terms_.empty() && terms_.back().step == term.step)
      terms_.back().last += term.last;
    else
      terms_.push_back(term);
  }

  bool finds(std::size_t k, std::int64_t target) {
    if (target < 0 || target > reach_[k]) return false;
    if (k == terms_.size()) return true;
    if (target % divisor_[k] > slack_) return false;
    if (--steps_left_ < 0) return true;
    const Term& term = terms_[k];
    const std::int64_t rest = reach_[k + 1];
    const std::int64_t first = target > rest ? (target - rest + term.step - 1) / term.step : 0;
    for (std::int64_t x = std::min(term.last, target / term.step); x >= first; --x)
      if (finds(k + 1, target - x * term.step)) return true;
    return false;
  }

  std::int64_t slack_;
  std::vector<Term> terms_;  // descending
  // Of terms k and after: the largest sum, with the slack, and the greatest common divisor.
  std::vector<std::int64_t> reach_, divisor_;
  int steps_left_ = 0;
};

// The region from its lowest byte up: positive steps of more than one row alone.
struct Upward {
  std::uintptr_t low;
  std::int64_t span;  // bytes from the first to behind the last
  std::vector<Term> terms;
};

Upward upward(const Region& region) {
  Upward result{region.base, region.width, {}};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t last = region.count[axis] - 1, step = region.step[axis];
    if (last == 0 || step == 0) continue;
    if (step < 0) result.low -= static_cast<std::uintptr_t>(-step * last);
    result.terms.push_back({std::abs(step), last});
    result.span += std::abs(step) * last;
  }
  return result;
}

// Throws, or returns how many bytes all axes together reach beyond one row, down and up.
void check_reach(const Region& region) {
  std::int64_t down = 0, up = region.width;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::int64_t& side = region.step[axis] < 0 ? down : up;
    std::int64_t reach = 0;
    const bool fits =
        !__builtin_mul_overflow(std::abs(region.step[axis]), region.count[axis] - 1, &reach) &&
        !__builtin_add_overflow(side, reach, &side) && side <= kMostBytes;
    if (!fits)
      throw_invalid(
          fmt::format("{}: stride {} reaches beyond any address space", region.name, axis));
  }
  const std::uintptr_t most = ~std::uintptr_t{0};
  if (static_cast<std::uintptr_t>(down) > region.base ||
      static_cast<std::uintptr_t>(up) > most - region.base)
    throw_invalid(fmt::format("{}: its strides lead out of the address space", region.name));
}

}  // namespace

Region region_of(const std::string& name, const void* data, std::int64_t element_bytes,
                 const Shape4& shape, const Shape4& stride) {
  Region region{
      name, reinterpret_cast<std::uintptr_t>(data), {shape[0], shape[1], shape[2]}, {}, 0};
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return region;
  region.width = shape[3];
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (stride[axis] > kMostBytes || stride[axis] < -kMostBytes ||
        __builtin_mul_overflow(stride[axis], element_bytes, &region.step[axis]))
      throw_invalid(
          fmt::format("{}: stride {} is {}, beyond any address space", name, axis, stride[axis]));
  if (__builtin_mul_overflow(region.width, element_bytes, &region.width) ||
      region.width > kMostBytes)
    throw_invalid(fmt::format("{}: too many elements", name));
  check_reach(region);
  return region;
}

Region region_of(const Mask& mask) {
  if (mask.kind == MaskKind::none) return {"mask"};
  return region_of("mask", mask.data, mask.kind == MaskKind::boolean ? 1 : 4, mask.shape,
                   mask.stride);
}

bool overlap(const Region& a, const Region& b) {
  if (a.empty() || b.empty()) return false;
  Upward low = upward(a), high = upward(b);
  if (low.low > high.low) std::swap(low, high);
  if (high.low - low.low >= static_cast<std::uintptr_t>(low.span)) return false;
  // low + sum a x + p = high + sum b y + q; with y and q counted from their last all terms add up.
  const auto distance = static_cast<std::int64_t>(high.low - low.low);
  std::vector<Term> terms = low.terms;
  terms.insert(terms.end(), high.terms.begin(), high.terms.end());
  return Search(terms, a.width + b.width - 2).finds(distance + high.span - 1);
}

bool overlaps_itself(const Region& region) {
  if (region.empty()) return false;
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (region.count[axis] > 1 && region.step[axis] == 0) return true;
  // Two rows that meet differ in some axis; in the first of those, say, by 1 + x upward.
  const std::vector<Term> axes = upward(region).terms;
  for (std::size_t first = 0; first < axes.size(); ++first) {
    std::int64_t target = region.width - 1 - axes[first].step;
    std::vector<Term> terms{{axes[first].step, axes[first].last - 1}};
    for (std::size_t k = first + 1; k < axes.size(); ++k) {
      terms.push_back({axes[k].step, 2 * axes[k].last});
      target += axes[k].step * axes[k].last;
    }
    if (Search(terms, 2 * (region.width - 1)).finds(target)) return true;
  }
  return false;
}

std::vector<Region> inputs_of(const Problem& problem) {
  return {region_of("query", problem.query),
          region_of("key", problem.key),
          region_of("value", problem.value),
          region_of(problem.mask),
          region_of("sink_logits", problem.sink_logits),
          region_of("query_offsets", problem.query_offsets),
          region_of("key_offsets", problem.key_offsets)};
}

void check_apart(std::span<const Region> outputs, std::span<const Region> inputs) {
  for (std::size_t n = 0; n < outputs.size(); ++n) {
    const Region& output = outputs[n];
    if (overlaps_itself(output))
      throw_invalid(fmt::format("{}: its strides put two elements in one place", output.name));
    for (const Region& input : inputs)
      if (overlap(output, input))
        throw_invalid(fmt::format("{}: shares memory with {}", output.name, input.name));
    for (const Region& other : outputs.first(n))
      if (overlap(output, other))
        throw_invalid(fmt::format("{}: shares memory with {}", output.name, other.name));
  }
}

}  // namespace subquad
