#include "light/implied_entries.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/softmax.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();
// Rows with fewer panels of entries than this are served one by one.
constexpr std::int64_t kFewEntries = 2;

// Up to FarField::kRows rows.
class ImpliedRows {
 public:
  ImpliedRows(const FarField& far, const Partition& clusters)
      : far_(far), clusters_(clusters), scratch_(far.size(), far.value_dim()) {}

  // Weights of the clusters at the rows, relative to their largest.
  void weigh(const float* queries, std::int64_t rows) {
    queries_ = queries;
    sums_ = scratch_.sums.view(rows);
    far_.score(queries, rows, scratch_.scores.data(), scratch_.stride, scratch_.shape);
    set_identity(sums_);
    kernels::softmax_update(scratch_.scores.data(), scratch_.stride, rows, far_.size(),
                            {sums_.m, sums_.l, sums_.o, sums_.o_stride, 0});
    std::fill_n(sums_.o, rows * sums_.o_stride, 0.0f);
    std::fill_n(sums_.l, rows, 0.0f);
    held_.assign(static_cast<std::size_t>(rows * scratch_.stride), 0.0f);
  }

  // present[c] of row r, > -inf where the entry is there, becomes its implied weight.
  void replace(std::int64_t r, const IndexList& keys, float* present, std::int64_t key_end) {
    const float* weight = scratch_.scores.data() + r * scratch_.stride;
    float* held = held_.data() + r * scratch_.stride;
    float sum = 0;
    for (std::int64_t k = 0; k < keys.count; ++k) {
      const std::int32_t c = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
      const bool there = present[k] > kMasked && keys[k] < key_end;
      present[k] = there ? weight[c] : 0.0f;
      held[c] += there ? 1.0f : 0.0f;
      sum += present[k];
    }
    sums_.l[r] += sum;
  }

  // weights: those of rows [begin, begin + count).
  void add_values(std::int64_t begin, std::int64_t count, const float* weights, std::int64_t stride,
                  const kernels::RightMatrix& values, std::int64_t keys) {
    kernels::gemm({weights, stride, 1}, values, count, far_.value_dim(), keys,
                  sums_.o + begin * sums_.o_stride, sums_.o_stride, true);
  }

  void leave(const Partial& main) {
    if (far_.shape() != nullptr) add_dipole();
    for (std::int64_t r = 0; r < sums_.rows; ++r)
      sums_.o[r * sums_.o_stride + far_.value_dim()] = sums_.l[r];
    merge_far(main, sums_, -1);
  }

 private:
  // A cluster's dipole leaves in proportion to its keys that leave.
  void add_dipole() {
    for (std::int64_t r = 0; r < sums_.rows; ++r)
      for (std::int64_t c = 0; c < far_.size(); ++c) {
        const auto at = static_cast<std::size_t>(r * scratch_.stride + c);
        const auto count = static_cast<float>(clusters_.members(c).count);
        held_[at] *= scratch_.scores[static_cast<std::int64_t>(at)] / count;
      }
    far_.shape()->add_dipole(queries_, sums_.rows, held_.data(), scratch_.stride, nullptr, sums_.o,
                             sums_.o_stride, scratch_.shape);
  }

  const FarField& far_;
  const Partition& clusters_;
  FarScratch scratch_;
  const float* queries_ = nullptr;
  Partial sums_;
  std::vector<float> held_;
};

// Where a row has few entries: each one's share by a product of its own. Order 0.
class SingleEntries {
 public:
  SingleEntries(const FarField& far, const Partition& clusters)
      : far_(far),
        clusters_(clusters),
        sums_(1, far.value_dim()),
        value_(static_cast<std::size_t>(far.value_dim())) {}

  // present[k] > -inf where the row holds the entry (row, keys[k]) of the tile.
  void take_out(const float* query, const float* present, const IndexList& keys,
                std::int64_t key_end, const KeyTile& tile, std::int64_t column,
                const Partial& row) {
    for (std::int64_t k = 0; k < keys.count; ++k) {
      if (!(present[k] > kMasked) || keys[k] >= key_end) continue;
      const auto cluster = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
      const float* mean = far_.means().data() + cluster * far_.head_dim();
      tile.values().load(column + k, value_.data());
      const Partial share = sums_.view(1);
      share.m[0] = std::inner_product(query, query + far_.head_dim(), mean, 0.0f);
      share.l[0] = -1;
      std::transform(value_.begin(), value_.end(), share.o, [](float v) { return -v; });
      merge_into(row, share);
    }
  }

 private:
  const FarField& far_;
  const Partition& clusters_;
  PartialBuffer sums_;
  std::vector<float> value_;
};

void take_out_singles(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                      const FarField& far, const Partition& clusters, const std::int64_t* key_end,
                      TileScratch& scratch) {
  SingleEntries entries(far, clusters);
  const std::int64_t step = kernels::blocking().rows;
  for_each_tile(head, run, scratch, [&](const KeyTile& tile) {
    for (std::int64_t begin = run.rows.begin; begin < run.rows.end; begin += step) {
      const Range part{begin, std::min(begin + step, run.rows.end)};
      const Range columns = tile_columns(head, rows.rows(), part, tile.keys(), scratch.left_out);
      if (columns.empty()) continue;
      score_rows(head, rows, part, tile, columns, scratch.left_out, scratch.panel);
      for (std::int64_t r = begin; r < part.end; ++r)
        entries.take_out(rows.query(r), scratch.panel.data() + (r - begin) * scratch.panel.stride(),
                         tile.keys().slice(columns.begin, columns.end - columns.begin),
                         key_end != nullptr ? key_end[r] : head.num_keys, tile, columns.begin,
                         rows.partial().slice(r, 1));
    }
  });
}

// Entries that a row of the run has at most, by its first and last rows' columns.
std::int64_t widest(const HeadProblem& head, const RowBlock& rows, const KeyRun& run,
                    const EntrySets& left_out) {
  std::int64_t most = 0;
  for (const std::int64_t r :
       {run.rows.begin, (run.rows.begin + run.rows.end) / 2, run.rows.end - 1}) {
    const Range columns = tile_columns(head, rows.rows(), {r, r + 1}, run.keys, left_out);
    most = std::max(most, columns.end - columns.begin);
  }
  return most;
}

}  // namespace

void take_out_entries(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                      const EntrySets& taken, const FarField& far, const Partition& clusters,
                      const std::int64_t* key_end, TileScratch& scratch) {
  if (run.rows.empty() || run.keys.count == 0) return;
  collect_left_out(run, rows.rows(), taken, scratch.left_out);
  if (far.shape() == nullptr &&
      widest(head, rows, run, scratch.left_out) < kFewEntries * kernels::blocking().panel)
    return take_out_singles(head, rows, run, far, clusters, key_end, scratch);
  ImpliedRows implied(far, clusters);
  const std::int64_t step = kernels::blocking().rows, stride = scratch.panel.stride();
  for (std::int64_t first = run.rows.begin; first < run.rows.end; first += FarField::kRows) {
    const std::int64_t last = std::min(first + FarField::kRows, run.rows.end);
    implied.weigh(rows.query(first), last - first);
    for_each_tile(head, run, scratch, [&](const KeyTile& tile) {
      for (std::int64_t begin = first; begin < last; begin += step) {
        const Range part{begin, std::min(begin + step, last)};
        const Range columns = tile_columns(head, rows.rows(), part, tile.keys(), scratch.left_out);
        if (columns.empty()) continue;
        const std::int64_t width = columns.end - columns.begin;
        score_rows(head, rows, part, tile, columns, scratch.left_out, scratch.panel);
        for (std::int64_t r = begin; r < part.end; ++r)
          implied.replace(r - first, tile.keys().slice(columns.begin, width),
                          scratch.panel.data() + (r - begin) * stride,
                          key_end != nullptr ? key_end[r] : head.num_keys);
        implied.add_values(begin - first, part.end - begin, scratch.panel.data(), stride,
                           tile.values().from(columns.begin), width);
      }
    });
    implied.leave(rows.partial().slice(first, last - first));
  }
}

}  // namespace subquad
