#include "run/head_plan.h"

#include <algorithm>

#include "rows/tile_sizes.h"

namespace subquad {

HeadPlan::HeadPlan(const HeadProblem& head, const Method& method, std::uint64_t seed, int threads) {
  const Rng rng(seed, head.kv_head);
  for (const auto& rule : method.heavy)
    for (auto& set : rule->find(head, rng, threads)) found_.push_back(std::move(set));
  for (const auto& set : found_) sets_.push_back(set.get());
  if (method.light == nullptr) return;
  light_ = method.light->prepare(head, {sets_.begin(), sets_.end()}, rng, threads);
}

void HeadPlan::finish(const HeadProblem& head) {
  if (light_.model != nullptr && light_.model->near_field() != nullptr)
    sets_.push_back(light_.model->near_field());
  const auto others = std::stable_partition(sets_.begin(), sets_.end(), [](const HeavySet* set) {
    return set->row_order() == RowOrder::own;
  });
  all_sets_.assign(sets_.begin(), sets_.end());
  const auto own = static_cast<std::size_t>(others - sets_.begin());
  const bool led = own > 0 && sets_[own - 1]->groups_all_rows() && !wants_positions();
  const std::size_t early = led ? own - 1 : own;
  for (std::size_t s = 0; s < early; ++s) add_pass(sets_[s]->row_groups(), s, s + 1);
  if (!led) cut_blocks(head);
  add_pass(led ? sets_[early]->row_groups() : blocks_, early, sets_.size());
}

SearchRecall HeadPlan::recall(int threads) const {
  SearchRecall sum;
  for (const HeavySet* set : sets_) sum.add(set->recall(threads));
  return sum;
}

bool HeadPlan::wants_positions() const {
  return light_.row_order == RowOrder::positions ||
         std::any_of(sets_.begin(), sets_.end(),
                     [](const HeavySet* set) { return set->row_order() == RowOrder::positions; });
}

void HeadPlan::cut_blocks(const HeadProblem& head) {
  const std::int64_t step = row_block_size(head.head_dim(), head.value_dim());
  for (std::int64_t begin = 0; begin < head.num_rows(); begin += step)
    blocks_.push_back(index_range(begin, std::min(begin + step, head.num_rows())));
}

void HeadPlan::add_pass(std::span<const IndexList> groups, std::size_t first, std::size_t last) {
  const HeavySet* near = light_.model != nullptr ? light_.model->near_field() : nullptr;
  PlanPass pass{groups, {}};
  for (std::size_t s = first; s < last; ++s)
    pass.steps.push_back({sets_[s],
                          {all_sets_.begin(), all_sets_.begin() + static_cast<std::ptrdiff_t>(s)},
                          s == 0 && sets_[s] == near});
  passes_.push_back(std::move(pass));
}

}  // namespace subquad
