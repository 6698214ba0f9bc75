#include "rows/head_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/logits.h"

namespace subquad {
namespace {

struct Sequence {
  std::int64_t batch, query_begin, query_len, key_begin, num_keys;
};

std::vector<Sequence> sequences_of(const Problem& problem) {
  std::vector<Sequence> sequences;
  if (problem.query_offsets.empty()) {
    for (std::int64_t b = 0; b < problem.query.batch(); ++b)
      sequences.push_back({b, 0, problem.query.length(), 0, problem.key.length()});
    return sequences;
  }
  const auto& q = problem.query_offsets;
  const auto& k = problem.key_offsets;
  for (std::size_t s = 0; s + 1 < q.size(); ++s)
    sequences.push_back({0, q[s], q[s + 1] - q[s], k[s], k[s + 1] - k[s]});
  return sequences;
}

Alignment alignment_of(const Problem& problem) {
  if (problem.causal == Causal::none) return problem.window.alignment;
  return problem.causal == Causal::top_left ? Alignment::top_left : Alignment::bottom_right;
}

kernels::RowSource rows_of(const TensorView& view, std::int64_t batch, std::int64_t head,
                           std::int64_t begin, std::int64_t count) {
  kernels::RowSource source;
  source.base =
      static_cast<const char*>(view.data) + view.offset(batch, head, begin) * size_of(view.dtype);
  source.dtype = view.dtype;
  source.stride = view.stride[2];
  source.width = view.channels();
  source.count = count;
  return source;
}

}  // namespace

bool HeadProblem::has_band() const {
  return problem->causal != Causal::none || problem->window.left >= 0 || problem->window.right >= 0;
}

std::int64_t HeadProblem::diagonal(std::int64_t row) const {
  const bool right = alignment_of(*problem) == Alignment::bottom_right;
  return position(row) + (right ? num_keys - query_len : 0);
}

Range HeadProblem::visible(std::int64_t row) const {
  Range range{0, num_keys};
  if (!has_band()) return range;
  const std::int64_t diagonal = this->diagonal(row);
  const Window& window = problem->window;
  if (problem->causal != Causal::none) range.end = std::min(range.end, diagonal + 1);
  // Window sizes may be huge: subtract on the side that cannot overflow.
  if (window.left >= 0 && diagonal > window.left) range.begin = diagonal - window.left;
  if (window.right >= 0 && num_keys - diagonal > window.right)
    range.end = std::min(range.end, diagonal + window.right + 1);
  range.begin = std::clamp<std::int64_t>(range.begin, 0, num_keys);
  range.end = std::clamp<std::int64_t>(range.end, range.begin, num_keys);
  return range;
}

Range HeadProblem::visible(std::int64_t begin, std::int64_t end) const {
  // Both ends move right with the position; empty ranges sit at their begin and do no harm.
  return {visible(begin).begin, visible(end - 1).end};
}

const void* HeadProblem::mask_row(std::int64_t row) const {
  const Mask& mask = problem->mask;
  if (mask.kind == MaskKind::none) return nullptr;
  const std::int64_t index[3] = {batch, query_head(row), position(row)};
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (mask.shape[axis] != 1) offset += index[axis] * mask.stride[axis];
  const std::int64_t element = mask.kind == MaskKind::boolean ? 1 : 4;
  return static_cast<const char*>(mask.data) + offset * element;
}

float HeadProblem::sink_log2(std::int64_t row) const {
  if (problem->sink_logits.empty()) return -std::numeric_limits<float>::infinity();
  return to_log2(problem->sink_logits[static_cast<std::size_t>(query_head(row))]);
}

kernels::RowSource HeadProblem::keys() const {
  return rows_of(problem->key, batch, kv_head, key_begin, num_keys);
}

kernels::RowSource HeadProblem::values() const {
  return rows_of(problem->value, batch, kv_head, key_begin, num_keys);
}

std::vector<HeadProblem> split_heads(const Problem& problem) {
  std::vector<HeadProblem> heads;
  const float scale_log2 =
      static_cast<float>(double{resolved_scale(problem)} * std::numbers::log2e);
  for (const Sequence& s : sequences_of(problem)) {
    for (std::int64_t h = 0; h < problem.key.heads(); ++h) {
      HeadProblem head;
      head.problem = &problem;
      head.batch = s.batch;
      head.kv_head = h;
      head.group = problem.query.heads() / problem.key.heads();
      head.query_begin = s.query_begin;
      head.key_begin = s.key_begin;
      head.query_len = s.query_len;
      head.num_keys = s.num_keys;
      head.scale_log2 = scale_log2;
      heads.push_back(head);
    }
  }
  return heads;
}

}  // namespace subquad
