#include "heavy/lsh_tables/heavy_search.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include "core/sampling.h"
#include "core/threads.h"
#include "heavy/lsh_tables/lifted_scope.h"
#include "heavy/lsh_tables/table_plan.h"
#include "index/euclidean_lsh.h"
#include "rows/non_finite_keys.h"
#include "rows/search_pieces.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 32;    // that a thread takes at a time
constexpr std::int64_t kProbes = 32;  // queries that a piece's tables are planned by
constexpr std::int64_t kLeaf = 32;    // pieces whose rows see no more than twice as many keys

// Queries that the rows of a piece may learn from: its own, or under a band those before it.
std::vector<std::int32_t> probe_rows(const HeadProblem& head, const RowPiece& piece, bool strict,
                                     const Rng& rng) {
  const bool before = strict && head.has_band();
  const std::int64_t begin = before ? 0 : piece.rows.begin;
  const std::int64_t end = before ? piece.rows.begin : piece.rows.end;
  std::vector<std::int32_t> rows = sample_without_replacement(
      end - begin, kProbes, rng, static_cast<std::uint32_t>(piece.rows.begin), Purpose::probe);
  for (std::int32_t& row : rows) row += static_cast<std::int32_t>(begin);
  return rows;
}

IndexList list_of(const std::vector<std::int32_t>& ids) {
  return {ids.data(), 0, std::ssize(ids), true};
}

// The tables of a piece; without them its rows are searched in full.
struct PieceTables {
  IndexList keys;
  LiftedScope scope;  // of the piece's rows and keys
  std::unique_ptr<EuclideanLsh> tables;
};

PieceTables make_tables(const HeadProblem& head, const RowPiece& piece, const VisibleKeys& keys,
                        const LshTablesOptions& options, const Rng& rng, int threads) {
  PieceTables made;
  const IndexList common = keys.inside(piece.common);
  if (piece.leaf || common.count == 0) return made;
  const std::vector<std::int32_t> probes = probe_rows(head, piece, options.strict, rng);
  const auto how = plan_scope(head, lift_scope(head, list_of(probes), common, common), options);
  if (!how) return made;
  made.keys = keys.inside(piece.seen);
  made.scope = lift_scope(head, index_range(piece.rows.begin, piece.rows.end), made.keys, common);
  const std::vector<float> origin(static_cast<std::size_t>(made.scope.dim));
  EuclideanHash centered = *how;
  centered.center = origin;
  made.tables = std::make_unique<EuclideanLsh>(made.scope.keys.data(), made.keys.count,
                                               made.scope.dim, centered, rng, threads);
  return made;
}

// One thread's memory.
class Searcher {
 public:
  Searcher(const HeadProblem& head, const PieceTables& piece, std::int64_t first_row,
           std::span<const std::int32_t> everywhere, double alpha)
      : head_(head),
        piece_(piece),
        first_row_(first_row),
        everywhere_(everywhere),
        alpha_(alpha),
        scores_(head) {}

  void search(std::int64_t row, std::vector<RowKey>& found) {
    const Range seen = head_.visible(row);
    kept_.clear();
    if (piece_.tables) {
      collect(row, seen);
      if (!keys_.empty()) keep_heavy(head_, row, list_of(keys_), alpha_, scores_, kept_);
    }
    if (kept_.empty() && !seen.empty())
      keep_heavy(head_, row, index_range(seen.begin, seen.end), alpha_, scores_, kept_);
    for (const std::int32_t key : kept_) found.push_back({static_cast<std::int32_t>(row), key});
  }

 private:
  void collect(std::int64_t row, const Range& seen) {
    keys_.clear();
    const float* query = piece_.scope.row(row - first_row_);
    for (std::int64_t t = 0; t < piece_.tables->tables(); ++t)
      for (const std::int32_t place : piece_.tables->bucket(t, query))
        keys_.push_back(static_cast<std::int32_t>(piece_.keys[place]));
    keys_.insert(keys_.end(), everywhere_.begin(), everywhere_.end());
    std::erase_if(keys_, [&](std::int32_t key) { return key < seen.begin || key >= seen.end; });
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  }

  const HeadProblem& head_;
  const PieceTables& piece_;
  std::int64_t first_row_;
  std::span<const std::int32_t> everywhere_;
  double alpha_;
  RowScores scores_;
  std::vector<std::int32_t> keys_, kept_;
};

}  // namespace

void keep_heavy(const HeadProblem& head, std::int64_t row, const IndexList& keys, double alpha,
                RowScores& scores, std::vector<std::int32_t>& kept) {
  kept.clear();
  const std::span<const float> logits = scores.of(row, keys);
  const Range seen = head.visible(row);
  const float largest = *std::max_element(logits.begin(), logits.end());
  const double fall = alpha * std::log2(std::max(1.0, static_cast<double>(seen.end - seen.begin)));
  const double least = std::isfinite(largest) ? double{largest} - fall : double{largest};
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const float logit = logits[static_cast<std::size_t>(k)];
    if (logit >= -FLT_MAX && logit >= least) kept.push_back(static_cast<std::int32_t>(keys[k]));
  }
}

RowLists find_heavy(const HeadProblem& head, const LshTablesOptions& options, const Rng& rng,
                    int threads) {
  const VisibleKeys keys(head);
  const std::vector<std::int32_t> everywhere = non_finite_keys(head, keys.all());
  std::vector<std::vector<RowKey>> found;
  for (const RowPiece& piece : search_pieces(head, kLeaf, options.strict)) {
    const PieceTables tables = make_tables(head, piece, keys, options, rng, threads);
    const std::int64_t rows = piece.rows.end - piece.rows.begin;
    const std::size_t first = found.size();
    found.resize(first + static_cast<std::size_t>((rows + kRows - 1) / kRows));
    parallel_workers(threads, (rows + kRows - 1) / kRows, [&] {
      return [&, searcher = Searcher(head, tables, piece.rows.begin, everywhere, options.alpha)](
                 std::int64_t block) mutable {
        const std::int64_t begin = piece.rows.begin + block * kRows;
        for (std::int64_t row = begin; row < std::min(begin + kRows, piece.rows.end); ++row)
          searcher.search(row, found[first + static_cast<std::size_t>(block)]);
      };
    });
  }
  return lists_of(found, head.num_rows());
}

}  // namespace subquad
