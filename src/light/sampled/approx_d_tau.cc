#include "light/sampled/approx_d_tau.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/threads.h"
#include "rows/attend_run.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// One thread's memory. Blocks are short, so that few rows still keep all threads busy.
class Worker {
 public:
  static constexpr std::int64_t kRows = 96;

  explicit Worker(const HeadProblem& head)
      : head_(head),
        rows_(head.head_dim(), head.value_dim(), kRows),
        scratch_(head.head_dim(), head.value_dim()) {}

  void add_up(const IndexList& rows, const EntrySets& heavy, double* log2_sums) {
    rows_.load(head_, rows);
    const KeyRun run{.rows = {0, rows.count}, .keys = index_range(0, head_.num_keys)};
    collect_left_out(run, rows, heavy, scratch_.left_out);
    for_each_tile(head_, run, scratch_, [&](const KeyTile& tile) { add_tile(tile); });
    const Partial sums = rows_.partial();
    for (std::int64_t r = 0; r < rows.count; ++r)
      log2_sums[r] = double{sums.m[r]} + std::log2(double{sums.l[r]});
  }

 private:
  void add_tile(const KeyTile& tile) {
    const Partial sums = rows_.partial();
    const std::int64_t step = kernels::blocking().rows;
    ScorePanel& panel = scratch_.panel;
    for (std::int64_t begin = 0; begin < sums.rows; begin += step) {
      const Range part{begin, std::min(begin + step, sums.rows)};
      const Range columns = tile_columns(head_, rows_.rows(), part, tile.keys(), scratch_.left_out);
      if (columns.empty()) continue;
      score_rows(head_, rows_, part, tile, columns, scratch_.left_out, panel);
      kernels::softmax_update(panel.data(), panel.stride(), part.end - part.begin,
                              columns.end - columns.begin,
                              {sums.m + begin, sums.l + begin, sums.o, 0, 0});
    }
  }

  const HeadProblem& head_;
  RowBlock rows_;
  TileScratch scratch_;
};

}  // namespace

std::vector<double> log2_light_sums(const HeadProblem& head, const IndexList& rows,
                                    const EntrySets& heavy, int threads) {
  std::vector<double> sums(static_cast<std::size_t>(rows.count));
  constexpr std::int64_t step = Worker::kRows;
  parallel_workers(threads, (rows.count + step - 1) / step, [&] {
    return [&, worker = Worker(head)](std::int64_t block) mutable {
      const std::int64_t begin = block * step;
      worker.add_up(rows.slice(begin, std::min(step, rows.count - begin)), heavy,
                    sums.data() + begin);
    };
  });
  return sums;
}

std::vector<SamplerGradient::Shared> find_tau(const HeadProblem& head,
                                              const std::vector<std::int32_t>& positions,
                                              const EntrySets& heavy, int threads) {
  std::vector<std::int32_t> rows;
  for (const std::int32_t position : positions)
    for (std::int64_t g = 0; g < head.group; ++g)
      rows.push_back(static_cast<std::int32_t>(position * head.group + g));
  const IndexList list{rows.data(), 0, static_cast<std::int64_t>(rows.size()), true};
  const std::vector<double> sums = log2_light_sums(head, list, heavy, threads);
  std::vector<SamplerGradient::Shared> tau(static_cast<std::size_t>(head.group),
                                           {-1, -std::numeric_limits<double>::infinity()});
  for (std::size_t i = 0; i < sums.size(); ++i) {
    SamplerGradient::Shared& top = tau[i % tau.size()];
    if (std::isfinite(sums[i]) && sums[i] > top.log2_sum) top = {rows[i], sums[i]};
  }
  return tau;
}

}  // namespace subquad
