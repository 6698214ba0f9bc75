#include "heavy/topk/topk_select.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/threads.h"
#include "rows/attend_tile.h"
#include "rows/overflows.h"
#include "rows/tile_sizes.h"
#include "heavy/topk/candidates.h"
#include "heavy/topk/topk_sample.h"
#include "kernels/select.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 96;             // that share a tile while it is in the cache
constexpr std::int64_t kFullScores = 1 << 18;  // of the rows that are searched with all scores

std::uint32_t* bits_of(KeptBits& kept, std::int64_t row) { return kept.row(row); }
std::uint32_t* bits_of(KeptLists&, std::int64_t) { return nullptr; }
void prefetch_bits(const KeptBits& kept, std::int64_t row, std::int64_t key) {
  kept.prefetch(row, key);
}
void prefetch_bits(const KeptLists&, std::int64_t, std::int64_t) {}

void keep(KeptBits& kept, std::int64_t row, const Candidates& found) {
  std::uint32_t* bits = kept.row(row);
  for (std::int64_t c = 0; c < found.count; ++c)
    bits[found.keys[c] / 32] |= 1U << found.keys[c] % 32;
}

void keep(KeptLists& kept, std::int64_t row, const Candidates& found) {
  std::copy_n(found.keys, found.count, kept.room(row));
  kept.set_count(row, found.count);
}

// One thread's search, block of rows by block of rows.
template <typename Kept>
class Worker {
 public:
  Worker(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles,
         const TopkSample& sample, Kept& kept)
      : head_(head),
        k_(k),
        tiles_(tiles),
        sample_(sample),
        kept_(kept),
        tile_keys_(key_tile_size(head.head_dim(), head.value_dim())),
        block_(head.head_dim(), 1, kRows),
        panel_(tile_keys_),
        capacity_(std::min(head.num_keys, sample.most_between() + tile_keys_)),
        stride_(capacity_ + kernels::kSplitPadding),
        scores_(kRows * stride_),
        keys_(kRows * stride_) {}

  void search(const Range& rows) {
    const std::int64_t count = rows.end - rows.begin;
    block_.load(head_, index_range(rows.begin, rows.end));
    states_.assign(static_cast<std::size_t>(count), {});
    failed_.clear();
    if (tiles_.empty()) {
      for (std::int64_t row = rows.begin; row < rows.end; ++row) fail(row);
    } else {
      sample_.find_brackets(head_, k_, block_, panel_, brackets_);
      split_rows(count);
      for (std::int64_t r = 0; r < count; ++r) settle(r);
    }
    search_failed();
  }

 private:
  struct State {
    std::int64_t above = 0, between = 0;
    bool failed = false;
  };

  // Scores of rows `part` of the block against tile t, into the panel: of which keys. NaN stays.
  Range score(const RowBlock& rows, const Range& part, std::int64_t t) {
    const std::int64_t first = t * tile_keys_;
    const IndexList keys = index_range(first, std::min(first + tile_keys_, head_.num_keys));
    const bool packed = !tiles_.empty();
    const Range columns = packed ? tile_columns(head_, rows.rows(), part, keys, {})
                                 : visible_columns(head_, rows.rows(), part.begin, part.end, keys);
    if (columns.empty()) return {};
    if (packed)
      score_rows(head_, rows, part, tiles_[static_cast<std::size_t>(t)], columns, {}, panel_);
    else
      stream(rows, part, keys, columns);
    return {first + columns.begin, first + columns.end};
  }

  void stream(const RowBlock& rows, const Range& part, const IndexList& keys,
              const Range& columns) {
    const kernels::RowSource source =
        head_.keys().slice(keys.first + columns.begin, columns.end - columns.begin);
    stream_scores(rows.query(part.begin), part.end - part.begin, source,
                  std::numeric_limits<float>::lowest(), panel_.data(), panel_.stride());
    for (std::int64_t r = part.begin; r < part.end; ++r)
      filter_row(head_, rows.rows()[r], keys, columns, nullptr,
                 panel_.data() + (r - part.begin) * panel_.stride(), panel_.filter());
  }

  std::int64_t num_tiles() const { return (head_.num_keys + tile_keys_ - 1) / tile_keys_; }

  void split_rows(std::int64_t count) {
    const std::int64_t step = kernels::blocking().rows;
    for (std::int64_t t = 0; t < num_tiles(); ++t)
      for (std::int64_t begin = 0; begin < count; begin += step) {
        const Range part{begin, std::min(begin + step, count)};
        const Range keys = score(block_, part, t);
        for (std::int64_t r = begin; r < part.end && !keys.empty(); ++r)
          split_row(r, panel_.data() + (r - begin) * panel_.stride(), keys);
      }
  }

  void split_row(std::int64_t r, const float* scores, const Range& keys) {
    State& state = states_[static_cast<std::size_t>(r)];
    const std::int64_t width = keys.end - keys.begin;
    state.failed = state.failed || state.between + width > capacity_;
    if (state.failed) return;
    const ScoreBracket& bracket = brackets_[static_cast<std::size_t>(r)];
    const std::int64_t at = r * stride_ + state.between;
    const kernels::SplitResult found = kernels::split_scores(
        scores, width, bracket.low, bracket.high, static_cast<std::int32_t>(keys.begin),
        bits_of(kept_, block_.rows()[r]), scores_.data() + at, keys_.data() + at);
    prefetch_bits(kept_, block_.rows()[r] + kernels::blocking().rows, keys.begin);
    state.above += found.above;
    state.between += found.between;
  }

  // Decides row r of the block where its bracket held what it promised.
  void settle(std::int64_t r) {
    const State& state = states_[static_cast<std::size_t>(r)];
    const ScoreBracket& bracket = brackets_[static_cast<std::size_t>(r)];
    const std::int64_t row = block_.rows()[r], wanted = k_ - state.above;
    const bool all = bracket.low == -FLT_MAX;  // no score of an entry that counts is lower
    const bool listed = bits_of(kept_, row) != nullptr || state.above == 0;
    if (state.failed || !listed || wanted < 0 || (state.between < wanted && !all)) return fail(row);
    Candidates found{scores_.data() + r * stride_, keys_.data() + r * stride_, state.between};
    found.cut(wanted, cut_);
    keep(kept_, row, found);
  }

  void fail(std::int64_t row) {
    failed_.push_back(static_cast<std::int32_t>(row));
    if (std::uint32_t* bits = bits_of(kept_, row))
      std::fill_n(bits, (head_.num_keys + 31) / 32, 0U);
  }

  void search_failed() {
    const auto count = static_cast<std::int64_t>(failed_.size());
    const std::int64_t step =
        std::clamp<std::int64_t>(kFullScores / head_.num_keys, 1, kernels::blocking().rows);
    for (std::int64_t begin = 0; begin < count; begin += step)
      search_fully({failed_.data() + begin, 0, std::min(step, count - begin), true});
  }

  // With all scores of the rows at hand.
  void search_fully(const IndexList& rows) {
    block_.load(head_, rows);
    const std::int64_t stride = head_.num_keys + kernels::kSplitPadding;
    if (all_scores_.size() < rows.count * stride) {
      all_scores_ = Scratch<float>(rows.count * stride);
      all_keys_ = Scratch<std::int32_t>(rows.count * stride);
    }
    std::vector<std::int64_t> found(static_cast<std::size_t>(rows.count), 0);
    for (std::int64_t t = 0; t < num_tiles(); ++t) {
      const Range keys = score(block_, {0, rows.count}, t);
      for (std::int64_t r = 0; r < rows.count && !keys.empty(); ++r) {
        std::int64_t& count = found[static_cast<std::size_t>(r)];
        float* scores = panel_.data() + r * panel_.stride();
        const std::int64_t at = r * stride + count;
        kernels::raise_nan(scores, keys.end - keys.begin);
        count += kernels::split_scores(scores, keys.end - keys.begin, -FLT_MAX, HUGE_VALF,
                                       static_cast<std::int32_t>(keys.begin), nullptr,
                                       all_scores_.data() + at, all_keys_.data() + at)
                     .between;
      }
    }
    for (std::int64_t r = 0; r < rows.count; ++r) {
      Candidates all{all_scores_.data() + r * stride, all_keys_.data() + r * stride,
                     found[static_cast<std::size_t>(r)]};
      all.cut(k_, cut_);
      keep(kept_, rows[r], all);
    }
  }

  const HeadProblem& head_;
  std::int64_t k_;
  std::span<const KeyTile> tiles_;
  const TopkSample& sample_;
  Kept& kept_;
  std::int64_t tile_keys_;
  RowBlock block_;
  ScorePanel panel_;
  std::int64_t capacity_, stride_;
  Scratch<float> scores_;
  Scratch<std::int32_t> keys_;
  std::vector<ScoreBracket> brackets_;
  std::vector<State> states_;
  std::vector<std::int32_t> failed_;
  CutScratch cut_;
  Scratch<float> all_scores_;
  Scratch<std::int32_t> all_keys_;
};

template <typename Kept>
void select(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles, int threads,
            Kept& kept) {
  const TopkSample sample(head, k, std::is_same_v<Kept, KeptBits>);
  const std::int64_t rows = head.num_rows();
  parallel_workers(threads, (rows + kRows - 1) / kRows, [&] {
    return [&, worker = Worker<Kept>(head, k, tiles, sample, kept)](std::int64_t block) mutable {
      worker.search({block * kRows, std::min((block + 1) * kRows, rows)});
    };
  });
}

}  // namespace

std::vector<KeyTile> pack_keys(const HeadProblem& head, int threads) {
  const std::int64_t step = key_tile_size(head.head_dim(), head.value_dim());
  std::vector<KeyTile> tiles;
  for (std::int64_t begin = 0; begin < head.num_keys; begin += step)
    tiles.emplace_back(head.head_dim(), head.value_dim(), std::min(step, head.num_keys - begin));
  parallel_for(threads, static_cast<std::int64_t>(tiles.size()), [&](std::int64_t t) {
    const std::int64_t begin = t * step;
    tiles[static_cast<std::size_t>(t)].pack(
        head, index_range(begin, std::min(begin + step, head.num_keys)));
  });
  return tiles;
}

KeptBits select_bits(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles,
                     int threads) {
  KeptBits kept(head.num_rows(), head.num_keys);
  select(head, k, tiles, threads, kept);
  return kept;
}

KeptLists select_lists(const HeadProblem& head, std::int64_t k, std::span<const KeyTile> tiles,
                       int threads) {
  KeptLists kept(head.num_rows(), k);
  select(head, k, tiles, threads, kept);
  kept.close();
  return kept;
}

}  // namespace subquad
