#include "exact/tile_forward.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "exact/forward.h"
#include "core/round_up.h"
#include "exact/head_waves.h"
#include "exact/row_items.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/packed_tiles.h"
#include "rows/tile_block.h"
#include "rows/write_rows.h"

namespace subquad {
namespace {

// Packed heads that are in memory together: what stays in the threads' caches.
constexpr std::int64_t kThreadBytes = 1 << 20, kMostBytes = 16 << 20;
constexpr std::int64_t kMostItemRows = 256;
constexpr std::size_t kMostWays = 2;
constexpr std::int64_t kMostScale = 256;  // of scores: their units must fit 32 bits

std::int64_t packed_bytes(const HeadProblem& head, int order) {
  const Problem& problem = *head.problem;
  return 2 * head.num_keys *
         (round_up(head.head_dim(), kernels::kTileDepth) * pieces_of(problem.key.dtype, order) +
          round_up(head.value_dim(), kernels::kTileDepth) * pieces_of(problem.value.dtype, order));
}

std::vector<PackedTiles> pack_heads(std::span<const HeadProblem> heads, int order, int threads) {
  std::vector<PackedTiles> packed;
  std::vector<std::pair<std::size_t, std::int64_t>> parts;
  for (const HeadProblem& head : heads) {
    packed.emplace_back(head, order);
    for (std::int64_t i = 0; i < packed.back().parts(); ++i)
      parts.emplace_back(packed.size() - 1, i);
  }
  parallel_for(threads, std::ssize(parts), [&](std::int64_t i) {
    const auto& [head, part] = parts[static_cast<std::size_t>(i)];
    packed[head].pack(part);
  });
  for (PackedTiles& tiles : packed) tiles.finish();
  return packed;
}

std::int64_t item_rows(std::span<const HeadProblem> heads) {
  std::int64_t rows = 0;
  for (const HeadProblem& head : heads) rows += head.num_rows();
  const std::int64_t step = kernels::kPanelRows;
  return std::clamp(rows / 16 / step * step, step, kMostItemRows);
}

std::vector<RowItem> make_items(std::span<const HeadProblem> heads, std::int64_t size) {
  std::vector<RowItem> items;
  for (const HeadProblem& head : heads)
    for (std::int64_t begin = 0; begin < head.num_rows(); begin += size)
      items.push_back(make_item(head, begin, std::min(begin + size, head.num_rows())));
  sort_by_work(items);
  return items;
}

// All that the heads of a wave have in common.
class Wave {
 public:
  Wave(std::span<const HeadProblem> heads, std::span<const SplitOrder> ways, const Outputs& outputs,
       int threads)
      : heads_(heads),
        ways_(ways),
        outputs_(outputs),
        packed_(pack_heads(heads, ways.back().order, threads)) {
    if (!ways.front().splits()) return;
    for (const HeadProblem& head : heads) errors_.emplace_back(head);
  }

  TileBlock make_block(std::int64_t rows) const {
    const HeadProblem& any = heads_.front();
    return {*kernels::tile_engine(), any.head_dim(), any.value_dim(), rows, ways_.back().order};
  }

  // Sums of an item's rows over some of its keys, the first way.
  Partial attend(TileBlock& block, const RowItem& item, const Range& keys) {
    const Partial sums = attend_rows(block, item, item.rows, keys, ways_.front());
    for (std::int64_t i = 0; i < item.rows.count && !errors_.empty(); ++i)
      errors_[place_of(item)].raise(item.rows[i], block.error(i));
    return sums;
  }

  // Writes the rows that the tiles did, and does the others: the other ways, and then in f32.
  void finish(const RowItem& item, const Partial& sums) {
    std::vector<std::int32_t> left = write_done(item, item.rows, sums, ways_.front());
    for (const SplitOrder& way : ways_.subspan(1))
      if (!left.empty()) left = redo(item, left, way);
    if (left.empty()) return;
    if (!errors_.empty()) in_f32_ = true;
    const IndexList rows{left.data(), 0, std::ssize(left), true};
    for (std::int64_t i = 0; i < rows.count && !errors_.empty(); ++i)
      errors_[place_of(item)].set(rows[i], {});
    exact_rows(*item.head, rows, outputs_);
  }

  std::int64_t entries() const { return entries_; }
  // Which ways some rows took, and then whether f32.
  bool took(std::size_t way) const { return took_[way]; }
  bool took_f32() const { return in_f32_; }
  ErrorTotals errors(int threads) const {
    std::vector<ErrorTotals> totals(errors_.size());
    parallel_for(threads, std::ssize(errors_), [&](std::int64_t h) {
      const auto head = static_cast<std::size_t>(h);
      totals[head] = errors_[head].totals(outputs_);
    });
    ErrorTotals total;
    for (const ErrorTotals& head : totals) total.add(head);
    return total;
  }

 private:
  std::size_t place_of(const RowItem& item) const {
    return static_cast<std::size_t>(item.head - heads_.data());
  }

  Partial attend_rows(TileBlock& block, const RowItem& item, const IndexList& rows,
                      const Range& keys, const SplitOrder& way) {
    const PackedTiles& packed = packed_[place_of(item)];
    const std::int64_t before = block.entries();
    const Partial sums =
        block.attend(packed.view(), rows, packed.places(keys), way, {}, Sums::both);
    entries_ += block.entries() - before;
    return sums;
  }

  std::vector<std::int32_t> redo(const RowItem& item, const std::vector<std::int32_t>& left,
                                 const SplitOrder& way) {
    const IndexList rows{left.data(), 0, std::ssize(left), true};
    TileBlock block = make_block(rows.count);
    const Partial sums = attend_rows(block, item, rows, item.keys, way);
    for (std::int64_t i = 0; i < rows.count; ++i)
      errors_[place_of(item)].set(rows[i], block.error(i));
    return write_done(item, rows, sums, way);
  }

  // Returns the rows that were not.
  std::vector<std::int32_t> write_done(const RowItem& item, const IndexList& rows,
                                       const Partial& sums, const SplitOrder& way) {
    std::vector<std::int32_t> left;
    for (std::int64_t begin = 0, end = 0; begin < rows.count; begin = end + 1) {
      for (end = begin; end < rows.count && !std::isnan(sums.m[end]);) ++end;
      if (end > begin) {
        write_rows(*item.head, rows.slice(begin, end - begin), sums.slice(begin, end - begin),
                   outputs_);
        took_[static_cast<std::size_t>(&way - ways_.data())] = true;
      }
      if (end < rows.count) left.push_back(static_cast<std::int32_t>(rows[end]));
    }
    write_errors(item, rows);
    return left;
  }

  // Those of rows that are left to f32 are written again.
  void write_errors(const RowItem& item, const IndexList& rows) {
    if (errors_.empty()) return write_row_error(*item.head, rows, outputs_, 0.0f);
    for (std::int64_t i = 0; i < rows.count; ++i)
      write_row_error(*item.head, rows.slice(i, 1), outputs_,
                      errors_[place_of(item)].absolute(rows[i]));
  }

  std::span<const HeadProblem> heads_;
  std::span<const SplitOrder> ways_;
  const Outputs& outputs_;
  std::vector<PackedTiles> packed_;
  std::vector<RowErrors> errors_;  // by head; none without splitting
  std::atomic<std::int64_t> entries_{0};
  std::atomic<bool> took_[kMostWays] = {}, in_f32_{false};
};

void run_wave(Wave& wave, std::span<const HeadProblem> heads, std::int64_t rows,
              const RowSharing& sharing) {
  std::vector<RowItem> items = make_items(heads, rows);
  group_by_head(items);
  run_items(
      items, sharing,
      [&] {
        return
            [&wave, block = wave.make_block(rows)](const RowItem& item, const Range& keys) mutable {
              return wave.attend(block, item, keys);
            };
      },
      [&](const RowItem& item, const Partial& sums) { wave.finish(item, sums); });
}

bool has_tiles(const Problem& problem) {
  return kernels::tile_engine() != nullptr && std::abs(resolved_scale(problem)) <= kMostScale;
}

std::string path_of(const SplitOrder& way) {
  const char* names[] = {"bf16", "split3", "split6"};
  return fmt::format("{}-{}", names[way.order], kernels::tile_engine()->name);
}

std::string path_of(std::span<const SplitOrder> ways, const bool* took, bool took_f32) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < ways.size(); ++i)
    if (took[i]) paths.push_back(path_of(ways[i]));
  if (took_f32) paths.emplace_back("f32");
  return paths.empty() ? path_of(ways.front()) : fmt::format("{}", fmt::join(paths, "+"));
}

}  // namespace

bool suits_tiles(const Problem& problem) {
  return has_tiles(problem) && problem.query.dtype == DType::bf16 &&
         problem.key.dtype == DType::bf16 && problem.value.dtype == DType::bf16;
}

bool suits_tiles(const HeadProblem& head) {
  return head.num_rows() >= kFewestTileRows && suits_tiles(*head.problem);
}

Arithmetic arithmetic_of(const HeadProblem& head) {
  if (!suits_tiles(head)) return Arithmetic::f32;
  return kernels::tile_engine()->matrix_unit ? Arithmetic::matrix_unit : Arithmetic::dots;
}

std::vector<SplitOrder> tile_ways(const HeadProblem& head, const ExactPrecision& precision) {
  const float error = precision.error;
  const bool rounds = suits_tiles(head) && (error == 0 || error >= 2 * kernels::kWeightError);
  if (precision.order == 0 && rounds) return {{}};
  if (!precision.splits() || head.num_rows() < kFewestTileRows || !has_tiles(*head.problem) ||
      !kernels::tile_engine()->matrix_unit)
    return {};
  if (precision.order > 0) return {{precision.order, 0}};
  std::vector<SplitOrder> ways;
  for (const int order : {1, 2})
    if (least_split_error(head, order) <= error) ways.push_back({order, error});
  return ways;
}

TileRun tile_forward(std::span<const HeadProblem> heads, std::span<const SplitOrder> ways,
                     const Outputs& outputs, int threads) {
  TileRun run;
  bool took[kMostWays] = {}, took_f32 = false;
  const std::int64_t rows = item_rows(heads);
  // Splits show in the bits: they must not depend on what is packed together.
  const RowSharing sharing{count_splits(make_items(heads, rows)), kernels::kStepKeys, threads};
  const auto bytes = [&](const HeadProblem& head) { return packed_bytes(head, ways.back().order); };
  for (std::size_t begin = 0, count = 0; begin < heads.size(); begin += count) {
    count = next_wave(heads.subspan(begin), kThreadBytes, kMostBytes, threads, bytes);
    const auto part = heads.subspan(begin, count);
    Wave wave(part, ways, outputs, threads);
    run_wave(wave, part, rows, sharing);
    run.scored_entries += wave.entries();
    run.errors.add(wave.errors(threads));
    for (std::size_t i = 0; i < ways.size(); ++i) took[i] |= wave.took(i);
    took_f32 |= wave.took_f32();
  }
  run.path = path_of(ways, took, took_f32);
  return run;
}

std::string tile_path() { return path_of(SplitOrder{}); }

}  // namespace subquad
