#include "heavy/topk/cluster_candidates.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "core/threads.h"
#include "rows/head_rows.h"
#include "rows/score_filter.h"
#include "heavy/topk/candidate_rank.h"
#include "index/key_index.h"
#include "heavy/topk/kth_score.h"
#include "rows/search_pieces.h"
#include "kernels/select.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr std::int64_t kMaxRows = 1024;  // that a thread takes at a time
constexpr std::int64_t kMinRows = 16;
constexpr std::int64_t kMaxScores = 1 << 20;  // of those rows together, about
constexpr std::int64_t kBatch = 96;           // rows that meet a cluster at a time
constexpr std::int64_t kLeastProbes = 16;
constexpr std::int64_t kKeysPerKept = 8;

std::int64_t default_clusters(std::int64_t num_keys) {
  return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(num_keys))));
}

std::int64_t default_probes(std::int64_t num_keys, std::int64_t clusters, std::int64_t k) {
  const std::int64_t size = std::max<std::int64_t>(1, num_keys / clusters);
  return std::max(kLeastProbes, (kKeysPerKept * k + size - 1) / size);
}

// What the threads share.
struct Search {
  const HeadProblem& head;
  std::int64_t k, probes;
  const KeyIndex& index;
  KeptLists& kept;
};

// Where a row's candidates lie in its block's buffers, cluster after cluster.
struct RowCandidates {
  std::int64_t begin = 0, count = 0;
};

// One thread's search, block of rows by block of rows.
class Worker {
 public:
  explicit Worker(const Search& search)
      : search_(search),
        head_(search.head),
        stride_((std::max(search.index.size(), search.index.largest()) + 31) / 32 * 32),
        panel_(kBatch * stride_),
        batch_(kBatch * head_.head_dim()),
        chosen_scores_(static_cast<std::size_t>(search.index.size() + kernels::kSplitPadding)),
        chosen_(chosen_scores_.size()),
        visitors_(static_cast<std::size_t>(search.index.size())),
        ranker_(head_, search.k) {}

  void run(const Range& rows) {
    first_ = rows.begin;
    const std::int64_t count = rows.end - rows.begin;
    queries_.resize(static_cast<std::size_t>(count * head_.head_dim()));
    load_head_rows(head_, head_.problem->query, index_range(rows.begin, rows.end), head_.scale_log2,
                   queries_.data(), head_.head_dim());
    choose(count);
    for (std::int64_t c = 0; c < search_.index.size(); ++c) meet(c);
    for (std::int64_t r = 0; r < count; ++r) settle(r);
  }

 private:
  const float* query(std::int64_t r) const { return queries_.data() + r * head_.head_dim(); }

  // Which clusters the rows visit, and where their scores go.
  void choose(std::int64_t count) {
    for (auto& rows : visitors_) rows.clear();
    rows_.assign(static_cast<std::size_t>(count), {});
    std::int64_t total = 0;
    for (std::int64_t begin = 0; begin < count; begin += kBatch) {
      const std::int64_t step = std::min(kBatch, count - begin);
      search_.index.score_means(query(begin), step, panel_.data(), stride_);
      for (std::int64_t r = begin; r < begin + step; ++r) {
        const Range seen = head_.visible(first_ + r);
        rows_[static_cast<std::size_t>(r)].begin = total;
        if (seen.end - seen.begin > search_.k)
          total += choose_row(r, seen, panel_.data() + (r - begin) * stride_);
      }
    }
    if (scores_.size() < total) {
      scores_ = Scratch<float>(total);
      keys_ = Scratch<std::int32_t>(total);
    }
  }

  // Returns how many keys the row's clusters have.
  std::int64_t choose_row(std::int64_t r, const Range& seen, float* fits) {
    const std::int64_t size = search_.index.size();
    for (std::int64_t c = 0; c < size && head_.has_band(); ++c)
      if (columns_in(search_.index.members(c), seen).empty())
        fits[c] = -std::numeric_limits<float>::infinity();
    kernels::raise_nan(fits, size);
    Candidates best{chosen_scores_.data(), chosen_.data(), 0};
    best.count = kernels::split_scores(fits, size, -FLT_MAX, HUGE_VALF, 0, nullptr,
                                       chosen_scores_.data(), chosen_.data())
                     .between;
    best.cut(search_.probes, cut_);
    std::int64_t keys = 0;
    for (std::int64_t i = 0; i < best.count; ++i) {
      visitors_[static_cast<std::size_t>(best.keys[i])].push_back(static_cast<std::int32_t>(r));
      keys += search_.index.members(best.keys[i]).count;
    }
    return keys;
  }

  // The rows that visit cluster c meet its keys.
  void meet(std::int64_t c) {
    const auto& rows = visitors_[static_cast<std::size_t>(c)];
    const std::int64_t dim = head_.head_dim(), count = std::ssize(rows);
    for (std::int64_t begin = 0; begin < count; begin += kBatch) {
      const std::int64_t step = std::min(kBatch, count - begin);
      for (std::int64_t i = 0; i < step; ++i)
        std::copy_n(query(rows[static_cast<std::size_t>(begin + i)]), dim, batch_.data() + i * dim);
      search_.index.score_members(c, batch_.data(), step, panel_.data(), stride_);
      for (std::int64_t i = 0; i < step; ++i)
        append(rows[static_cast<std::size_t>(begin + i)], search_.index.members(c),
               panel_.data() + i * stride_);
    }
  }

  void append(std::int64_t r, const IndexList& keys, float* scores) {
    filter_row(head_, first_ + r, keys, {0, keys.count}, nullptr, scores, filter_);
    RowCandidates& row = rows_[static_cast<std::size_t>(r)];
    std::copy_n(scores, keys.count, scores_.data() + row.begin + row.count);
    std::copy_n(keys.ids, keys.count, keys_.data() + row.begin + row.count);
    row.count += keys.count;
  }

  void settle(std::int64_t r) {
    const RowCandidates& row = rows_[static_cast<std::size_t>(r)];
    const std::int64_t id = first_ + r;
    std::int64_t found = row.count > 0 ? keep_best(row, search_.kept.room(id)) : 0;
    if (found == 0) found = ranker_.rank_visible(id, search_.kept.room(id));
    search_.kept.set_count(id, found);
  }

  // The k largest, ascending by key; of equal ones the first keys, which may come in any order.
  std::int64_t keep_best(const RowCandidates& row, std::int32_t* best) {
    float* scores = scores_.data() + row.begin;
    const std::int32_t* keys = keys_.data() + row.begin;
    kernels::raise_nan(scores, row.count);
    float least = -FLT_MAX;  // hidden keys are below
    std::int64_t reached = split(scores, row.count, least), ties = reached;
    if (reached > search_.k) {
      const KthScore kth = find_kth(kept_scores_.data(), reached, search_.k);
      least = kth.threshold;
      ties = kth.ties;
      reached = split(scores, row.count, least);
    }
    tied_.clear();
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < reached; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int32_t key = keys[places_[at]];
      if (kept_scores_[at] > least)
        best[count++] = key;
      else
        tied_.push_back(key);
    }
    std::sort(tied_.begin(), tied_.end());
    ties = std::min(ties, std::ssize(tied_));
    std::copy_n(tied_.begin(), ties, best + count);
    count += ties;
    std::sort(best, best + count);
    return count;
  }

  // Those no lower than `least`, with their places: how many.
  std::int64_t split(const float* scores, std::int64_t count, float least) {
    const auto room = static_cast<std::size_t>(count + kernels::kSplitPadding);
    if (kept_scores_.size() < room) {
      kept_scores_.resize(room);
      places_.resize(room);
    }
    return kernels::split_scores(scores, count, least, HUGE_VALF, 0, nullptr, kept_scores_.data(),
                                 places_.data())
        .between;
  }

  const Search& search_;
  const HeadProblem& head_;
  std::int64_t stride_, first_ = 0;
  Scratch<float> panel_, batch_;
  std::vector<float> queries_, chosen_scores_;
  std::vector<std::int32_t> chosen_;
  std::vector<std::vector<std::int32_t>> visitors_;  // of each cluster
  std::vector<RowCandidates> rows_;
  Scratch<float> scores_;
  Scratch<std::int32_t> keys_;
  std::vector<float> kept_scores_;
  std::vector<std::int32_t> places_, tied_;
  FilterScratch filter_;
  CutScratch cut_;
  CandidateRanker ranker_;
};

std::int64_t rows_at_a_time(const Search& search, std::int64_t rows, int threads) {
  const std::int64_t each = std::max<std::int64_t>(
      1, search.head.num_keys / search.index.size() * std::min(search.probes, search.index.size()));
  return std::clamp(std::min(kMaxScores / each, rows / (4 * std::int64_t{threads})), kMinRows,
                    kMaxRows);
}

// Calls run(worker, block) for blocks of `step` of the rows, each thread with a worker of its own.
template <typename Make, typename Run>
void for_row_blocks(const Range& rows, std::int64_t step, int threads, const Make& make,
                    const Run& run) {
  parallel_workers(threads, (rows.end - rows.begin + step - 1) / step, [&] {
    return [&, worker = make()](std::int64_t block) mutable {
      const std::int64_t begin = rows.begin + block * step;
      run(worker, Range{begin, std::min(begin + step, rows.end)});
    };
  });
}

void search_all(const HeadProblem& head, std::int64_t k, const Range& rows, KeptLists& kept,
                int threads) {
  for_row_blocks(
      rows, kMinRows, threads, [&] { return CandidateRanker(head, k); },
      [&](CandidateRanker& ranker, const Range& block) {
        for (std::int64_t row = block.begin; row < block.end; ++row)
          kept.set_count(row, ranker.rank_visible(row, kept.room(row)));
      });
}

void search_piece(const HeadProblem& head, std::int64_t k, const ClusterOptions& options,
                  const KeyScope& keys, const Range& rows, const Rng& rng, KeptLists& kept,
                  int threads) {
  const std::int64_t clusters =
      options.clusters > 0 ? options.clusters : default_clusters(keys.own.count);
  const std::int64_t all = keys.own.count + keys.before.count + keys.after.count;
  const std::int64_t probes =
      options.probes > 0 ? options.probes : default_probes(all, clusters, k);
  const KeyIndex index(head, keys, clusters, options.clustering, rng, threads);
  const Search search{head, k, probes, index, kept};
  for_row_blocks(
      rows, rows_at_a_time(search, rows.end - rows.begin, threads), threads,
      [&] { return Worker(search); },
      [](Worker& worker, const Range& block) { worker.run(block); });
}

}  // namespace

KeptLists search_clusters(const HeadProblem& head, std::int64_t k, const ClusterOptions& options,
                          const Rng& rng, int threads) {
  const VisibleKeys visible(head);
  KeptLists kept(head.num_rows(), std::min(k, head.num_keys));
  for (const RowPiece& piece : search_pieces(head, k, options.strict)) {
    const KeyScope keys{visible.inside(piece.common),
                        visible.inside({piece.seen.begin, piece.common.begin}),
                        visible.inside({piece.common.end, piece.seen.end})};
    if (piece.leaf || keys.own.count == 0)
      search_all(head, k, piece.rows, kept, threads);
    else
      search_piece(head, k, options, keys, piece.rows, rng, kept, threads);
  }
  kept.close();
  return kept;
}

}  // namespace subquad
