#include "heavy/sort_lsh/chosen_block_set.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int32_t kNone = -1, kLeaf = -2;
// The random words of the rows' choices: below the planes' counters, one row of draws a round.
constexpr std::uint32_t kChoiceDraws = 0xFFFFFFFFu;

// The block of position `at` where `count` items are cut as count * b / blocks.
std::int32_t block_of(std::int64_t at, std::int64_t count, std::int64_t blocks) {
  return static_cast<std::int32_t>(((at + 1) * blocks - 1) / count);
}

// The block that each row chooses; `order`, `keys`: positions and buckets of the keys as sorted.
std::vector<std::int32_t> choose_blocks(std::span<const std::uint32_t> rows,
                                        std::span<const std::uint32_t> keys, std::int64_t first_row,
                                        std::int64_t blocks, std::uint32_t stream, const Rng& rng) {
  const auto count = static_cast<std::int64_t>(keys.size());
  std::vector<std::int32_t> choice(rows.size());
  std::int64_t low = 0, high = 0;  // the keys of a bucket; buckets of rows come ascending
  const Scratch<std::int32_t> order = sort_by_bucket(rows, 0);
  for (const std::int32_t i : order.span()) {
    const std::uint32_t bucket = rows[static_cast<std::size_t>(i)];
    while (low < count && keys[static_cast<std::size_t>(low)] < bucket) ++low;
    high = std::max(high, low);
    while (high < count && keys[static_cast<std::size_t>(high)] <= bucket) ++high;
    std::int64_t at = std::min(low, count - 1);
    if (high > low)
      at = low + rng.below(high - low, Purpose::hyperplane, stream,
                           static_cast<std::uint32_t>(first_row + i));
    choice[static_cast<std::size_t>(i)] = block_of(at, count, blocks);
  }
  return choice;
}

}  // namespace

ChosenBlockSet::ChosenBlockSet(const HeadProblem& head, std::int64_t neighbors)
    : head_(head),
      neighbors_(neighbors),
      largest_group_(row_block_size(head.head_dim(), head.value_dim())),
      row_piece_(static_cast<std::size_t>(head.num_rows()), kNone),
      row_block_(static_cast<std::size_t>(head.num_rows()), kNone) {}

void ChosenBlockSet::add(const Range& rows, const IndexList& keys, std::int64_t block,
                         const BlockHash& hash, const Rng& rng, int threads) {
  if (rows.empty() || keys.count == 0) return;
  const HashBuckets buckets = hash_scope(head_, rng, hash.round, hash.options,
                                         {index_range(rows.begin, rows.end), keys, keys}, threads);
  const Scratch<std::int32_t> order = sort_by_bucket(buckets.keys.span(), 0);
  std::vector<std::int32_t> sorted;
  std::vector<std::uint32_t> codes;
  for (const std::int32_t i : order.span()) {
    sorted.push_back(static_cast<std::int32_t>(keys[i]));
    codes.push_back(buckets.keys[i]);
  }
  const std::int64_t blocks = (keys.count + block - 1) / block;
  const std::vector<std::int32_t> choice =
      choose_blocks(buckets.rows.span(), codes, rows.begin, blocks,
                    kChoiceDraws - static_cast<std::uint32_t>(hash.round), rng);
  const auto index = static_cast<std::int32_t>(pieces_.size());
  pieces_.push_back(std::make_unique<Piece>());
  std::fill_n(row_piece_.begin() + rows.begin, choice.size(), index);
  std::copy(choice.begin(), choice.end(), row_block_.begin() + rows.begin);
  cut_blocks(*pieces_.back(), sorted, blocks);
  group_rows(*pieces_.back(), rows, index);
}

void ChosenBlockSet::cut_blocks(Piece& piece, std::span<const std::int32_t> sorted,
                                std::int64_t blocks) const {
  piece.ids.assign(sorted.begin(), sorted.end());
  const auto [least, most] = std::minmax_element(sorted.begin(), sorted.end());
  piece.first_key = *least;
  piece.labels.assign(static_cast<std::size_t>(*most - *least + 1), kNone);
  const auto count = static_cast<std::int64_t>(sorted.size());
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t begin = count * b / blocks, end = count * (b + 1) / blocks;
    std::sort(piece.ids.begin() + begin, piece.ids.begin() + end);
    piece.blocks.push_back({piece.ids.data() + begin, 0, end - begin, true});
    for (std::int64_t i = begin; i < end; ++i)
      piece
          .labels[static_cast<std::size_t>(sorted[static_cast<std::size_t>(i)] - piece.first_key)] =
          static_cast<std::int32_t>(b);
  }
}

// The rows of each block, ascending.
void ChosenBlockSet::group_rows(Piece& piece, const Range& rows, std::int32_t index) {
  std::vector<std::size_t> begin(piece.blocks.size() + 1, 0);
  for (std::int64_t row = rows.begin; row < rows.end; ++row)
    ++begin[static_cast<std::size_t>(row_block_[static_cast<std::size_t>(row)]) + 1];
  for (std::size_t b = 1; b < begin.size(); ++b) begin[b] += begin[b - 1];
  piece.row_ids.resize(static_cast<std::size_t>(rows.end - rows.begin));
  std::vector<std::size_t> next = begin;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const auto b = static_cast<std::size_t>(row_block_[static_cast<std::size_t>(row)]);
    piece.row_ids[next[b]++] = static_cast<std::int32_t>(row);
  }
  for (std::size_t b = 0; b < piece.blocks.size(); ++b)
    add_group({piece.row_ids.data() + begin[b], 0,
               static_cast<std::int64_t>(begin[b + 1] - begin[b]), true},
              index, static_cast<std::int32_t>(b));
}

void ChosenBlockSet::add_leaf(const Range& rows) {
  std::fill(row_block_.begin() + rows.begin, row_block_.begin() + rows.end, kLeaf);
  add_group(index_range(rows.begin, rows.end), kNone, kLeaf);
}

void ChosenBlockSet::add_group(const IndexList& rows, std::int32_t piece, std::int32_t block) {
  for (std::int64_t begin = 0; begin < rows.count; begin += largest_group_) {
    groups_.push_back(rows.slice(begin, std::min(largest_group_, rows.count - begin)));
    piece_of_group_.push_back(piece);
    block_of_group_.push_back(block);
  }
  grouped_rows_ += rows.count;
}

BlockRing ChosenBlockSet::ring(const Piece& piece) const {
  return {0, static_cast<std::int64_t>(piece.blocks.size()), neighbors_};
}

// Which rows share a group follows from later rows too: their number must not choose the kernel.
void ChosenBlockSet::add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const {
  const std::int32_t block = block_of_group_[static_cast<std::size_t>(group)];
  if (block == kLeaf) {
    const Range seen = head_.visible(rows[0], rows[rows.count - 1] + 1);
    runs.add({.rows = {0, rows.count}, .keys = index_range(seen.begin, seen.end), .packed = true});
    return;
  }
  const std::int32_t index = piece_of_group_[static_cast<std::size_t>(group)];
  const Piece& piece = *pieces_[static_cast<std::size_t>(index)];
  const BlockRing ring = this->ring(piece);
  const Range steps = ring.steps();
  for (std::int64_t step = steps.begin; step < steps.end; ++step)
    runs.add({.rows = {0, rows.count},
              .keys = piece.blocks[static_cast<std::size_t>(ring.at(block, step))],
              .packed = true});
}

bool ChosenBlockSet::may_meet(const IndexList& rows, const IndexList& keys) const {
  for (std::int64_t i = 0; i < rows.count && keys.count > 0; ++i)
    if (row_block_[static_cast<std::size_t>(rows[i])] != kNone) return true;
  return false;
}

void ChosenBlockSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                            std::int64_t stride, FilterScratch& scratch) const {
  std::int32_t last = kNone;
  Range columns;
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const auto row = static_cast<std::size_t>(rows[r]);
    if (row_block_[row] == kLeaf)
      std::fill_n(scores + r * stride, keys.count, -std::numeric_limits<float>::infinity());
    if (row_block_[row] < 0) continue;
    const Piece& piece = *pieces_[static_cast<std::size_t>(row_piece_[row])];
    if (row_piece_[row] != last) columns = label_columns(piece, keys, scratch);
    last = row_piece_[row];
    ring(piece).mask(row_block_[row], scores + r * stride + columns.begin, scratch.labels.data(),
                     columns.end - columns.begin);
  }
}

// The columns of keys that may be in the piece, with their labels in the scratch.
Range ChosenBlockSet::label_columns(const Piece& piece, const IndexList& keys,
                                    FilterScratch& scratch) {
  const std::int64_t first = piece.first_key,
                     end = first + static_cast<std::int64_t>(piece.labels.size());
  const Range columns = keys.sorted() ? columns_in(keys, {first, end}) : Range{0, keys.count};
  scratch.labels.resize(static_cast<std::size_t>(columns.end - columns.begin));
  for (std::int64_t c = columns.begin; c < columns.end; ++c) {
    const std::int64_t key = keys[c];
    scratch.labels[static_cast<std::size_t>(c - columns.begin)] =
        key >= first && key < end ? piece.labels[static_cast<std::size_t>(key - first)] : kNone;
  }
  return columns;
}

}  // namespace subquad
