#include "heavy/expander/expander_sketch.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/threads.h"
#include "heavy/expander/expander_search.h"
#include "kernels/stream.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr double kLargestTau = 1 << 20;
constexpr std::int64_t kLargestWidth = 4096, kMostRepetitions = 64;

void check_options(const ExpanderOptions& options) {
  if (!(options.tau >= 1 && options.tau <= kLargestTau))
    throw_invalid(fmt::format("expander: tau = {} is not from 1 to 2^20", options.tau));
  if (options.width < 0 || options.width > kLargestWidth)
    throw_invalid(
        fmt::format("expander: width = {} is not from 0 to {}", options.width, kLargestWidth));
  if (options.repetitions < 0 || options.repetitions > kMostRepetitions)
    throw_invalid(fmt::format("expander: repetitions = {} is not from 0 to {}", options.repetitions,
                              kMostRepetitions));
}

std::unique_ptr<ColumnSketch> make_sketch(const QueryRows& queries, const ExpanderOptions& options,
                                          const Rng& rng, int threads) {
  switch (options.mode) {
    case SketchMode::leverage:
      return make_row_selection(queries, options.tau, true, threads);
    case SketchMode::exhaustive:
      return make_row_selection(queries, options.tau, false, threads);
    case SketchMode::countsketch:
      return make_count_sketch(queries, options, rng, threads);
    case SketchMode::expander:
      return make_cluster_sketch(queries, options, rng, threads);
  }
  throw_invalid("expander: mode is none of SketchMode");
}

// Keys decoded together: whole register blocks, and 16 MB at most unless T is very tall.
std::int64_t block_size(std::int64_t sketch_rows) {
  constexpr std::int64_t kLeast = 12, kMost = 96, kFloats = 1 << 22;
  const std::int64_t fit = kFloats / std::max<std::int64_t>(sketch_rows, 1);
  return std::clamp(fit / kLeast * kLeast, kLeast, kMost);
}

// Finds the heavy entries of blocks of columns; one a thread.
class BlockSearch {
 public:
  BlockSearch(const HeadProblem& head, const QueryRows& queries, const ColumnSketch& sketch,
              double tau, std::int64_t block)
      : head_(head),
        queries_(queries),
        sketch_(sketch),
        tau_(tau),
        keys_(queries.width, block),
        sketched_(block * sketch.packed().stride()) {}

  // Appends the heavy entries of keys [begin, begin + count), in order of keys. Returns how many
  // were evaluated.
  std::int64_t run(std::int64_t begin, std::int64_t count, std::vector<RowKey>& entries) {
    keys_.load(head_, queries_, begin, count);
    sketch_.packed().multiply(keys_, sketched_.data());
    std::int64_t evaluated = 0;
    for (std::int64_t j = 0; j < count; ++j) evaluated += search(j, entries);
    return evaluated;
  }

 private:
  std::int64_t search(std::int64_t j, std::vector<RowKey>& entries) {
    const double energy = keys_.energy(j);
    if (!(energy > 0)) return 0;
    const double rounding = 0x1p-23 * static_cast<double>(queries_.width + 8);
    const Column column{sketched_.data() + j * sketch_.packed().stride(),
                        static_cast<float>(std::sqrt(energy / tau_)),
                        static_cast<float>(rounding * keys_.norm(j) * queries_.largest_norm),
                        energy, keys_.norm(j)};
    candidates_.clear();
    sketch_.decode(column, candidates_);
    const auto evaluated = static_cast<std::int64_t>(candidates_.size());
    keep_heavy(j, column);
    for (const std::int32_t row : candidates_)
      entries.push_back({row, static_cast<std::int32_t>(keys_.begin() + j)});
    return evaluated;
  }

  // Leaves the heavy candidates, once each: first in f32 with its slack, then in double.
  void keep_heavy(std::int64_t j, const Column& column) {
    const auto count = static_cast<std::int64_t>(candidates_.size());
    scores_.resize(candidates_.size());
    kernels::stream_scores(keys_.key(j), 1, queries_.source(candidates_.data(), count),
                           scores_.data(), count);
    std::size_t kept = 0;
    for (std::size_t c = 0; c < candidates_.size(); ++c) {
      if (std::fabs(scores_[c]) < column.limit - column.slack) continue;
      const double x = dot(queries_.row(candidates_[c]), keys_.key(j), queries_.width);
      if (x * x * tau_ >= column.energy) candidates_[kept++] = candidates_[c];
    }
    candidates_.resize(kept);
    std::sort(candidates_.begin(), candidates_.end());
    candidates_.erase(std::unique(candidates_.begin(), candidates_.end()), candidates_.end());
  }

  const HeadProblem& head_;
  const QueryRows& queries_;
  const ColumnSketch& sketch_;
  double tau_;
  KeyBlock keys_;
  Scratch<float> sketched_;
  std::vector<std::int32_t> candidates_;
  std::vector<float> scores_;
};

}  // namespace

ExpanderOptions make_expander_options(SpecReader& reader) {
  ExpanderOptions options;
  options.tau = reader.number("tau", options.tau, 1, kLargestTau);
  options.mode = static_cast<SketchMode>(
      reader.choice("mode", 0, {"leverage", "countsketch", "expander", "exhaustive"}));
  options.width = reader.integer("width", 0, 0, kLargestWidth);
  options.repetitions = reader.integer("repetitions", 0, 0, kMostRepetitions);
  return options;
}

double search_steps(const HeadProblem& head, const ExpanderOptions& options) {
  const auto rows = static_cast<double>(head.num_rows());
  switch (options.mode) {
    case SketchMode::countsketch:
      return count_sketch_steps(head, options);
    case SketchMode::expander:
      return cluster_sketch_steps(head, options);
    default:  // rows as they are
      return rows * static_cast<double>(head.num_keys * head.head_dim());
  }
}

RowLists find_heavy_hitters(const HeadProblem& head, const ExpanderOptions& options, const Rng& rng,
                            int threads, SketchReport* report) {
  check_options(options);
  if (head.num_rows() == 0 || head.num_keys == 0) return lists_of({}, head.num_rows());
  const QueryRows queries = load_query_rows(head, threads);
  const auto sketch = make_sketch(queries, options, rng, threads);
  const std::int64_t block = block_size(sketch->packed().count());
  const std::int64_t blocks = (head.num_keys + block - 1) / block;
  std::vector<std::vector<RowKey>> entries(static_cast<std::size_t>(blocks));
  std::atomic<std::int64_t> candidates{0};
  parallel_workers(threads, blocks, [&] {
    return [&, search = BlockSearch(head, queries, *sketch, options.tau, block)](
               std::int64_t b) mutable {
      const std::int64_t begin = b * block, count = std::min(block, head.num_keys - begin);
      candidates += search.run(begin, count, entries[static_cast<std::size_t>(b)]);
    };
  });
  if (report != nullptr) *report = {sketch->packed().count(), candidates};
  return lists_of(entries, head.num_rows());
}

}  // namespace subquad
