#include "heavy/topk/lsh_candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "core/threads.h"
#include "heavy/topk/candidate_rank.h"
#include "rows/non_finite_keys.h"
#include "rows/search_pieces.h"
#include "index/hash_head.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 32;           // that a thread takes at a time
constexpr double kBucketKeys = 64;           // in a bucket on average, unless told otherwise
constexpr std::int64_t kFirstRound = 4'096;  // draws of their own, beside those of sortlsh

std::int64_t default_bits(std::int64_t num_keys) {
  const double bits = std::log2(static_cast<double>(num_keys) / kBucketKeys);
  return std::clamp<std::int64_t>(std::llround(bits), 1, 24);
}

// Keys by bucket, and the buckets of the rows, of one scope.
class HashTable {
 public:
  HashTable(HashBuckets buckets, const HashScope& scope)
      : first_row_(scope.rows.first),
        rows_(std::move(buckets.rows)),
        near_(std::move(buckets.near)),
        keys_(sort_by_bucket(buckets.keys.span(), 0)),
        codes_(keys_.size()) {
    for (std::int64_t i = 0; i < keys_.size(); ++i) {
      codes_[i] = buckets.keys[keys_[i]];
      keys_[i] = static_cast<std::int32_t>(scope.keys[keys_[i]]);
    }
  }

  template <typename Visit>
  void for_candidates(std::int64_t row_of_head, const Visit& visit) const {
    const std::int64_t probes = near_.size() / rows_.size(), row = row_of_head - first_row_;
    visit_bucket(rows_[row], visit);
    for (std::int64_t p = 0; p < probes; ++p) visit_bucket(near_[row * probes + p], visit);
  }

 private:
  template <typename Visit>
  void visit_bucket(std::uint32_t bucket, const Visit& visit) const {
    const auto codes = codes_.span();
    const auto [first, last] = std::equal_range(codes.begin(), codes.end(), bucket);
    for (auto i = first - codes.begin(); i < last - codes.begin(); ++i) visit(keys_[i]);
  }

  std::int64_t first_row_;
  Scratch<std::uint32_t> rows_, near_;
  Scratch<std::int32_t> keys_;
  Scratch<std::uint32_t> codes_;  // of keys_, ascending
};

std::vector<HashTable> build_tables(const HeadProblem& head, const LshOptions& options,
                                    const HashScope& scope, const Rng& rng, int threads) {
  HashOptions hash{options.bits, options.center, options.norm};
  if (hash.bits == 0) hash.bits = default_bits(scope.keys.count);
  hash.flips = std::min(options.probes, hash.bits);
  std::vector<HashTable> tables;
  for (std::int64_t t = 0; t < options.tables; ++t)
    tables.emplace_back(hash_scope(head, rng, kFirstRound + t, hash, scope, threads), scope);
  return tables;
}

// Collects keys, gives them back ascending and once.
class KeySet {
 public:
  explicit KeySet(std::int64_t num_keys) : words_((num_keys + 63) / 64) {
    std::fill(words_.span().begin(), words_.span().end(), 0U);
  }
  void add(std::int32_t key) { words_[key / 64] |= std::uint64_t{1} << key % 64; }
  // Those in `range`; the set is empty after.
  void take(const Range& range, std::vector<std::int32_t>& keys) {
    keys.clear();
    for (std::int64_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1)
        keys.push_back(static_cast<std::int32_t>(w * 64 + std::countr_zero(word)));
      words_[w] = 0;
    }
    const auto in = [&](std::int32_t key) { return key >= range.begin && key < range.end; };
    if (!keys.empty() && !(in(keys.front()) && in(keys.back())))
      std::erase_if(keys, [&](std::int32_t key) { return !in(key); });
  }

 private:
  Scratch<std::uint64_t> words_;
};

// One thread's memory.
class Searcher {
 public:
  Searcher(const HeadProblem& head, std::int64_t k, std::span<const HashTable> tables,
           std::span<const std::int32_t> everywhere)
      : head_(head),
        k_(k),
        tables_(tables),
        everywhere_(everywhere),
        ranker_(head, k),
        set_(head.num_keys) {}

  std::int64_t search(std::int64_t row, std::int32_t* best) {
    const Range seen = head_.visible(row);
    if (seen.end - seen.begin <= k_ || tables_.empty()) return ranker_.rank_visible(row, best);
    for (const std::int32_t key : everywhere_) set_.add(key);
    for (const HashTable& table : tables_)
      table.for_candidates(row, [&](std::int32_t key) { set_.add(key); });
    set_.take(seen, keys_);
    const IndexList keys{keys_.data(), 0, static_cast<std::int64_t>(keys_.size()), true};
    const std::int64_t found = keys_.empty() ? 0 : ranker_.rank(row, keys, best);
    return found > 0 ? found : ranker_.rank_visible(row, best);
  }

 private:
  const HeadProblem& head_;
  std::int64_t k_;
  std::span<const HashTable> tables_;
  std::span<const std::int32_t> everywhere_;
  CandidateRanker ranker_;
  KeySet set_;
  std::vector<std::int32_t> keys_;
};

}  // namespace

KeptLists search_lsh(const HeadProblem& head, std::int64_t k, const LshOptions& options,
                     const Rng& rng, int threads) {
  const VisibleKeys keys(head);
  const std::vector<std::int32_t> everywhere = non_finite_keys(head, keys.all());
  KeptLists kept(head.num_rows(), std::min(k, head.num_keys));
  for (const RowPiece& piece : search_pieces(head, k, options.strict)) {
    const HashScope scope{index_range(piece.rows.begin, piece.rows.end), keys.inside(piece.seen),
                          keys.inside(piece.common)};
    std::vector<HashTable> tables;
    if (!piece.leaf && scope.keys.count > 0)
      tables = build_tables(head, options, scope, rng, threads);
    const std::int64_t rows = piece.rows.end - piece.rows.begin;
    parallel_workers(threads, (rows + kRows - 1) / kRows, [&] {
      return [&, searcher = Searcher(head, k, tables, everywhere)](std::int64_t block) mutable {
        const std::int64_t begin = piece.rows.begin + block * kRows;
        for (std::int64_t row = begin; row < std::min(begin + kRows, piece.rows.end); ++row)
          kept.set_count(row, searcher.search(row, kept.room(row)));
      };
    });
  }
  kept.close();
  return kept;
}

}  // namespace subquad
