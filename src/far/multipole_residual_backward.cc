#include "far/multipole_residual_backward.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/pack.h"

namespace subquad {

bool ResidualBackward::begin(std::int64_t first_row, const FarSums& far) {
  drawn_ = model_.residual->draw(first_row, far.end);
  const auto dv = static_cast<std::size_t>(model_.width() - 1);
  sums_.push_back({drawn_.keys, std::vector<float>(drawn_.keys.size() * dv)});
  const bool all = std::ssize(drawn_.keys) == far.end;
  if (!all) rest_ = model_.residual->rest(drawn_, far);
  return !all;
}

void ResidualBackward::add_rest(const float* grad_rest, std::int64_t stride, float* by_prior) {
  for (std::int64_t c = 0; c < model_.size(); ++c)
    for (std::int64_t d = c * stride; d < c * stride + model_.width(); ++d)
      by_prior[d] += grad_rest[d];
  const auto weight = static_cast<float>(drawn_.weight);
  float* sum = sums_.back().sums.data();
  for (const std::int32_t key : drawn_.keys) {
    const auto cluster = model_.clusters->cluster_of[static_cast<std::size_t>(key)];
    for (std::int64_t d = 0; d + 1 < model_.width(); ++d)
      *sum++ -= weight * grad_rest[cluster * stride + d];
  }
}

void ResidualBackward::add_back(const Block& block) {
  const IndexList keys{drawn_.keys.data(), 0, std::ssize(drawn_.keys), true};
  EntrySets met;
  for (const EntrySet* set : model_.all_heavy)
    if (set->may_meet(block.rows, keys)) met.push_back(set);
  if (met.empty()) return;
  const std::int64_t dv = model_.width() - 1;
  kernels::RowSource source = model_.head->values();
  source.ids = keys.ids;
  source.first = 0;
  source.count = keys.count;
  values_.resize(static_cast<std::size_t>(keys.count * dv));
  kernels::load_rows(source, 1.0f, values_.data(), dv, dv);
  std::vector<float> marks(static_cast<std::size_t>(keys.count));
  FilterScratch filter;
  for (std::int64_t i = 0; i < block.rows.count; ++i) {
    std::fill(marks.begin(), marks.end(), 0.0f);
    for (const EntrySet* set : met)
      set->remove(block.rows.slice(i, 1), keys, marks.data(), keys.count, filter);
    add_back_row(block, i, marks);
  }
}

void ResidualBackward::add_back_row(const Block& block, std::int64_t row,
                                    const std::vector<float>& marks) {
  const std::int64_t dv = model_.width() - 1;
  const float* grad = block.grads + row * block.grad_stride;
  const auto weight = static_cast<float>(drawn_.weight);
  for (std::size_t k = 0; k < marks.size(); ++k) {
    if (marks[k] != -std::numeric_limits<float>::infinity()) continue;
    const auto cluster = model_.clusters->cluster_of[static_cast<std::size_t>(drawn_.keys[k])];
    const std::int64_t at = row * block.stride + cluster, first = static_cast<std::int64_t>(k) * dv;
    block.slopes[at] +=
        weight * std::inner_product(grad, grad + dv, values_.data() + first, grad[dv]);
    if (block.slope_shares != nullptr) block.slope_shares[at] += weight / model_.count(cluster);
    for (std::int64_t d = 0; d < dv; ++d)
      sums_.back().sums[static_cast<std::size_t>(first + d)] +=
          weight * block.weights[at] * grad[d];
  }
}

void ResidualBackward::flush(const BackwardArguments& arguments) {
  const std::int64_t dv = model_.width() - 1;
  const HeadProblem& head = *model_.head;
  const MutableTensorView& view = arguments.grad_value;
  for (const ValueSums& block : sums_) {
    const float* sum = block.sums.data();
    for (const std::int32_t key : block.keys) {
      if (view.empty()) break;
      float* row = static_cast<float*>(view.data) +
                   view.offset(head.batch, head.kv_head, head.key_begin + key);
      for (std::int64_t d = 0; d < dv; ++d) row[d] += *sum++;
    }
  }
  sums_.clear();
}

}  // namespace subquad
