#include "kernel_sums/kmv/practical_sums.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>

#include "core/threads.h"
#include "kernel_sums/exact_sums.h"
#include "kernel_sums/kernel_block.h"
#include "kernel_sums/kmv/column_split.h"
#include "kernel_sums/kmv/heavy_union.h"
#include "kernel_sums/kmv/kmv_probes.h"
#include "kernel_sums/query_blocks.h"

namespace subquad {
namespace {

constexpr std::int64_t kProbeRows = 96, kBlockRows = 128;
constexpr double kLargeShare = 1.0 / 256;  // of |x|^2: at most 256 keys
constexpr std::int64_t kPilot = 128;       // draws that tell a block's second moment
constexpr std::int64_t kLeastDraws = 64, kLeastPool = 4096, kSmallPool = 1 << 18;
// Nanoseconds of one core: a hash function and an entry, per channel; a look-up and its share of
// building the table. A block's rows share many of their candidates: each counts so often.
constexpr double kFunction = 0.1, kEntry = 0.07, kTable = 400, kShared = 3;

struct Plan {
  LshPlan tables;
  double moment = 0;   // of one draw, mean over the probes
  double allowed = 0;  // squared error of a row: delta eps^2 |X|^2 / m
  std::int64_t pool = 0;
  bool always = false;

  double draws() const { return moment / allowed; }
};

double entry_cost(const KernelHead& head) {
  return kEntry * static_cast<double>(head.dim + head.channels);
}

std::optional<Plan> make_plan(const KernelHead& head, const ColumnSplit& columns,
                              const KmvOptions& options, const KmvProbes& probes) {
  const double n = static_cast<double>(head.num_keys), rows = probes.count();
  Plan plan;
  plan.allowed = options.delta * options.eps * options.eps * columns.total /
                 static_cast<double>(head.num_queries);
  const LshPrices prices{kFunction * static_cast<double>(head.dim), kTable,
                         kShared * entry_cost(head), entry_cost(head) / plan.allowed};
  const auto tables = plan_tables(probes.profile, rows, 1, prices, HUGE_VAL);
  if (!tables) return std::nullopt;
  plan.tables = *tables;
  plan.moment = tables->expected.missed / rows;
  const double exact = entry_cost(head) * n;
  if (!options.always && tables->cost / rows + rows / n * exact > exact) return std::nullopt;
  plan.tables.how.width /= one_scale(head) * std::sqrt(std::numbers::ln2);  // from bandwidths
  const std::int64_t most = std::max(options.always ? std::min(64 * head.num_keys, kSmallPool) : 0,
                                     std::max(kLeastPool, head.num_keys / 2));
  plan.pool =
      std::clamp(static_cast<std::int64_t>(std::min(8 * plan.draws(), 0x1p40)), kLeastPool, most);
  plan.always = options.always;
  return plan;
}

// What the blocks read.
struct Shared {
  const KernelHead& head;
  const ColumnSplit& columns;
  const Plan& plan;
  const EuclideanLsh& tables;
  const DrawnKeys& pool;
  const Rng& rng;
};

// One thread's memory.
class BlockSums {
 public:
  explicit BlockSums(const Shared& shared)
      : shared_(shared),
        heavy_(shared.head.num_keys),
        block_(shared.head.dim, shared.head.channels, shared.head.scales, false),
        queries_(KernelBlock::kRows * shared.head.dim),
        kernels_(KernelBlock::kRows * kPilot),
        sums_(static_cast<std::size_t>(KernelBlock::kRows * shared.head.channels)) {}

  // Returns the kernels evaluated.
  std::int64_t run(const QueryBlock& block, std::int64_t number, float* out) {
    const KernelHead& head = shared_.head;
    const IndexList rows = block.list();
    for (std::int64_t r = 0; r < rows.count; ++r)
      std::copy_n(head.query(rows[r]), head.dim, queries_.data() + r * head.dim);
    heavy_.collect(shared_.tables, queries_.data(), rows.count, shared_.columns.large);
    block_.load(head.queries.data(), rows, block.center);
    const std::int64_t draws = draws_for(rows.count, number);
    std::fill(sums_.begin(), sums_.end(), 0.0);
    const KernelSource keys{head.keys.data(), head.values.data()};
    std::int64_t met = heavy_.keys().count + kPilot;
    if (draws > shared_.pool.size() || (met > head.num_keys / 2 && !shared_.plan.always)) {
      add(rows.count, keys, index_range(0, head.num_keys), 1);
      met += head.num_keys;
    } else {
      add(rows.count, keys, heavy_.keys(), 1);
      met += add_draws(rows.count, draws, number);
    }
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < head.channels; ++c)
        out[rows[r] * head.channels + c] =
            static_cast<float>(sums_[static_cast<std::size_t>(r * head.channels + c)]);
    return met * rows.count;
  }

 private:
  KernelSource pool() const { return {shared_.pool.points.data(), shared_.pool.values.data()}; }

  // Draws of a window of the pool whose keys are not heavy.
  IndexList light_draws(std::int64_t count, std::int64_t number, std::uint32_t use) {
    const DrawnKeys& pool = shared_.pool;
    const std::int64_t size = pool.size();
    std::int64_t at =
        shared_.rng.below(size, Purpose::residual, static_cast<std::uint32_t>(number), use);
    light_.clear();
    for (std::int64_t t = 0; t < count; ++t, at = at + 1 < size ? at + 1 : 0)
      if (!heavy_.holds(pool.keys[static_cast<std::size_t>(at)]))
        light_.push_back(static_cast<std::int32_t>(at));
    std::sort(light_.begin(), light_.end());
    return {light_.data(), 0, std::ssize(light_), true};
  }

  // As many as the block's second moment asks for. What the pilot misses the probes' mean makes up
  // for.
  std::int64_t draws_for(std::int64_t rows, std::int64_t number) {
    if (shared_.pool.size() == 0) return 0;
    const IndexList pilot = light_draws(kPilot, number, 0);
    double sum = 0;
    if (pilot.count > 0) block_.weigh(pool(), pilot, kernels_.data(), kPilot);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t t = 0; t < pilot.count; ++t) {
        const double kernel = kernels_[r * kPilot + t];
        sum += kernel * kernel * shared_.pool.squares[static_cast<std::size_t>(pilot[t])];
      }
    const double moment = sum / static_cast<double>(rows * kPilot) + shared_.plan.moment / 2;
    // m proportional to sqrt(V) is the cheapest for a given sum of V / m.
    const double mean = std::max(1.5 * shared_.plan.moment, moment / 16);
    const double draws = std::sqrt(moment * mean) / shared_.plan.allowed;
    return std::max(kLeastDraws, static_cast<std::int64_t>(std::ceil(std::min(draws, 0x1p40))));
  }

  std::int64_t add_draws(std::int64_t rows, std::int64_t draws, std::int64_t number) {
    if (shared_.pool.size() == 0) return 0;
    const IndexList light = light_draws(draws, number, 1);
    if (light.count > 0) add(rows, pool(), light, 1 / static_cast<double>(draws));
    return light.count;
  }

  void add(std::int64_t rows, const KernelSource& source, const IndexList& keys, double weight) {
    std::vector<double> row(static_cast<std::size_t>(shared_.head.channels));
    block_.clear_sums();
    if (keys.count > 0) block_.add(source, keys);
    for (std::int64_t r = 0; keys.count > 0 && r < rows; ++r) {
      block_.read_row(r, row.data());
      for (std::size_t c = 0; c < row.size(); ++c)
        sums_[static_cast<std::size_t>(r) * row.size() + c] += weight * row[c];
    }
  }

  const Shared& shared_;
  HeavyUnion heavy_;
  KernelBlock block_;
  Scratch<float> queries_, kernels_;
  std::vector<double> sums_;
  std::vector<std::int32_t> light_;
};

std::int64_t run_blocks(const Shared& shared, float* out, int threads) {
  const std::vector<QueryBlock> blocks =
      make_query_blocks(shared.head, kBlockRows, shared.rng, threads);
  std::atomic<std::int64_t> entries{0};
  parallel_workers(threads, std::ssize(blocks), [&] {
    return [&, sums = std::make_unique<BlockSums>(shared)](std::int64_t b) {
      entries += sums->run(blocks[static_cast<std::size_t>(b)], b, out);
    };
  });
  return entries;
}

KernelRecord run_exactly(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::int64_t entries = exact_sums(head, out, rng, threads);
  return {"kmv:exact(cost)", entries, entries, 0};
}

}  // namespace

KernelRecord practical_sums(const KernelHead& head, const KmvOptions& options, float* out,
                            const Rng& rng, int threads) {
  if (!options.always && (head.num_keys < 2048 || head.num_queries < 1024))
    return run_exactly(head, out, rng, threads);
  const ColumnSplit columns = split_columns(head, kLargeShare);
  const KmvProbes probes = probe_queries(head, columns, kProbeRows, rng, threads);
  const std::optional<Plan> plan = make_plan(head, columns, options, probes);
  if (!plan) return run_exactly(head, out, rng, threads);
  const EuclideanLsh tables(head.keys.data(), head.num_keys, head.dim, plan->tables.how, rng,
                            threads);
  const DrawnKeys pool = draw_keys(head, columns, plan->pool, rng);
  const std::int64_t entries = run_blocks({head, columns, *plan, tables, pool, rng}, out, threads);
  const ProbeErrors errors = compare(probes, out, head.channels);
  const auto met = static_cast<std::int64_t>(probes.rows.size()) * head.num_keys;
  return {"kmv", entries + met, 0, errors.error > 0 ? std::sqrt(errors.error / errors.exact) : 0};
}

}  // namespace subquad
