#include "kernel_sums/kernel_run.h"

#include "run/row_sums.h"

namespace subquad {
namespace {

// Pseudo keys stand in the set beside keys, so that a row's sums have one order.
class MetKeySet final : public HeavySet {
 public:
  MetKeySet(const KernelRows& rows, const MetKeys& met)
      : rows_(rows), met_(met), groups_(lists_of(rows.blocks())) {}

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }

  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override {
    std::vector<float>& limits = runs.new_bias();
    for (std::int64_t r = 0; r < rows.count; ++r) limits.push_back(rows_.half_square(rows[r]));
    const std::vector<float>& center = rows_.blocks()[static_cast<std::size_t>(group)].center;
    for (const auto& [source, keys] : met_.of(group, runs)) {
      KeyRun run;
      run.rows = {0, rows.count};
      run.keys = keys;
      run.source = runs.own(std::make_unique<CenteredKeys>(rows_.frame(), source, center.data()));
      // No kernel is above 1, whatever rounding says.
      if (source.bias == nullptr) run.limits = {limits.data()};
      runs.add(run);
    }
  }

  // No other part meets these rows: nobody asks what to leave out.
  void remove(const IndexList&, const IndexList&, float*, std::int64_t,
              FilterScratch&) const override {}

 private:
  const KernelRows& rows_;
  const MetKeys& met_;
  std::vector<IndexList> groups_;
};

class MetKeyRule final : public HeavyRule {
 public:
  MetKeyRule(const KernelRows& rows, const MetKeys& met) : rows_(rows), met_(met) {}
  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem&, const Rng&, int) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<MetKeySet>(rows_, met_));
    return sets;
  }

 private:
  const KernelRows& rows_;
  const MetKeys& met_;
};

}  // namespace

KernelRows::KernelRows(const KernelHead& head, const std::vector<QueryBlock>& blocks,
                       bool with_spread, std::int64_t channels)
    : blocks_(blocks),
      frame_{head.dim, channels > 0 ? channels : head.channels, head.scales.data(), with_spread},
      queries_(head.num_queries * frame_.width()),
      half_square_(static_cast<std::size_t>(head.num_queries)) {
  const std::int64_t width = frame_.width();
  for (const QueryBlock& block : blocks)
    for (const std::int32_t row : block.rows)
      half_square_[static_cast<std::size_t>(row)] =
          frame_.place_query(head.query(row), block.center.data(), queries_.data() + row * width);
  const auto view = [](const float* data, std::int64_t rows, std::int64_t width_of) {
    return dense_view(static_cast<const void*>(data), DType::f32, {1, 1, rows, width_of});
  };
  problem_.query = view(queries_.data(), head.num_queries, width);
  // Runs bring their keys; the head's are not read.
  problem_.key = view(nullptr, head.num_keys, width);
  problem_.value = view(nullptr, head.num_keys, frame_.channels);
  rows_ = {.problem = &problem_,
           .query_len = head.num_queries,
           .num_keys = head.num_keys,
           .scale_log2 = 1};
}

std::int64_t run_kernel_rows(const KernelRows& rows, const MetKeys& met, const FinishRow& finish,
                             int threads) {
  if (rows.blocks().empty()) return 0;
  Method method;
  method.heavy.push_back(std::make_shared<MetKeyRule>(rows, met));
  HeadPlan plan(rows.head(), method, 0, threads);
  plan.finish(rows.head());
  return sum_rows(rows.head(), plan, threads,
                  [&](SummedRows& block) {
                    const Partial sums = block.rows.partial();
                    for (std::int64_t r = 0; r < sums.rows; ++r)
                      finish(block.rows.rows()[r], r, sums);
                  })
      .scored;
}

std::int64_t run_kernel_sums(const KernelRows& rows, const MetKeys& met, float* out, int threads) {
  return run_kernel_rows(
      rows, met,
      [&](std::int64_t row, std::int64_t r, const Partial& sums) {
        read_sums(sums, r, rows.half_square(row), out + row * sums.value_dim);
      },
      threads);
}

}  // namespace subquad
