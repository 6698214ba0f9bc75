#include "exact/tile_forward.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <vector>

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
constexpr std::int64_t kMostScale = 256;  // of scores: their units must fit 32 bits

std::int64_t packed_bytes(const HeadProblem& head) {
  return 2 * head.num_keys *
         (round_up(head.head_dim(), kernels::kTileDepth) +
          round_up(head.value_dim(), kernels::kTileDepth));
}

std::vector<PackedTiles> pack_heads(std::span<const HeadProblem> heads, int threads) {
  std::vector<PackedTiles> packed;
  std::vector<std::pair<std::size_t, std::int64_t>> parts;
  for (const HeadProblem& head : heads) {
    packed.emplace_back(head);
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

// Writes the rows that the tiles did, and does the others in f32.
void finish_rows(const RowItem& item, const Partial& sums, const Outputs& outputs) {
  std::vector<std::int32_t> others;
  const std::int64_t count = item.rows.count;
  for (std::int64_t begin = 0, end = 0; begin < count; begin = end + 1) {
    for (end = begin; end < count && !std::isnan(sums.m[end]);) ++end;
    if (end > begin)
      write_rows(*item.head, item.rows.slice(begin, end - begin), sums.slice(begin, end - begin),
                 outputs);
    if (end < count) others.push_back(static_cast<std::int32_t>(item.rows[end]));
  }
  write_row_error(*item.head, item.rows, outputs, 0.0f);
  if (!others.empty())
    exact_rows(*item.head, {others.data(), 0, std::ssize(others), true}, outputs);
}

// A thread's working memory.
class TileWorker {
 public:
  TileWorker(const HeadProblem& any, std::int64_t rows, std::span<const HeadProblem> heads,
             std::span<const PackedTiles> packed, std::atomic<std::int64_t>& entries)
      : block_(*kernels::tile_engine(), any.head_dim(), any.value_dim(), rows),
        heads_(heads),
        packed_(packed),
        entries_(&entries) {}

  Partial operator()(const RowItem& item, const Range& keys) {
    const std::int64_t before = block_.entries();
    const auto head = static_cast<std::size_t>(item.head - heads_.data());
    const Partial sums = block_.attend(packed_[head].view(), item.rows, packed_[head].places(keys));
    *entries_ += block_.entries() - before;
    return sums;
  }

 private:
  TileBlock block_;
  std::span<const HeadProblem> heads_;
  std::span<const PackedTiles> packed_;
  std::atomic<std::int64_t>* entries_;
};

void run_wave(std::span<const HeadProblem> heads, std::int64_t rows, const RowSharing& sharing,
              const Outputs& outputs, std::atomic<std::int64_t>& entries) {
  const std::vector<PackedTiles> packed = pack_heads(heads, sharing.threads);
  std::vector<RowItem> items = make_items(heads, rows);
  group_by_head(items);
  run_items(
      items, sharing, [&] { return TileWorker(heads.front(), rows, heads, packed, entries); },
      [&](const RowItem& item, const Partial& sums) { finish_rows(item, sums, outputs); });
}

}  // namespace

bool suits_tiles(const Problem& problem) {
  return kernels::tile_engine() != nullptr && problem.query.dtype == DType::bf16 &&
         problem.key.dtype == DType::bf16 && problem.value.dtype == DType::bf16 &&
         std::abs(resolved_scale(problem)) <= kMostScale;
}

bool suits_tiles(const HeadProblem& head) {
  return head.num_rows() >= kFewestTileRows && suits_tiles(*head.problem);
}

Arithmetic arithmetic_of(const HeadProblem& head) {
  if (!suits_tiles(head)) return Arithmetic::f32;
  return kernels::tile_engine()->matrix_unit ? Arithmetic::matrix_unit : Arithmetic::dots;
}

std::int64_t tile_forward(std::span<const HeadProblem> heads, const Outputs& outputs, int threads) {
  std::atomic<std::int64_t> entries{0};
  const std::int64_t rows = item_rows(heads);
  // Splits show in the bits: they must not depend on what is packed together.
  const RowSharing sharing{count_splits(make_items(heads, rows)), kernels::kStepKeys, threads};
  for (std::size_t begin = 0, count = 0; begin < heads.size(); begin += count) {
    count = next_wave(heads.subspan(begin), kThreadBytes, kMostBytes, threads, packed_bytes);
    run_wave(heads.subspan(begin, count), rows, sharing, outputs, entries);
  }
  return entries;
}

std::string tile_path() { return std::string("bf16-") + kernels::tile_engine()->name; }

}  // namespace subquad
