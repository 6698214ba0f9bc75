#include "far/clusters/cluster_shares.h"

#include <algorithm>
#include <cmath>
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

  // main += sign * 2^log2_factor of it.
  void join(const Partial& main, float sign, float log2_factor) {
    if (far_.shape() != nullptr) add_dipole();
    for (std::int64_t r = 0; r < sums_.rows; ++r) {
      sums_.o[r * sums_.o_stride + far_.value_dim()] = sums_.l[r];
      sums_.m[r] += log2_factor;
    }
    merge_signed(main, sums_, sign);
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
  void join(const float* query, const float* present, const IndexList& keys, std::int64_t key_end,
            const KeyTile& tile, std::int64_t column, float sign, float log2_factor,
            const Partial& row) {
    for (std::int64_t k = 0; k < keys.count; ++k) {
      if (!(present[k] > kMasked) || keys[k] >= key_end) continue;
      const auto cluster = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
      const float* mean = far_.means().data() + cluster * far_.head_dim();
      tile.values().load(column + k, value_.data());
      const Partial share = sums_.view(1);
      share.m[0] = std::inner_product(query, query + far_.head_dim(), mean, log2_factor);
      share.l[0] = sign;
      std::transform(value_.begin(), value_.end(), share.o, [=](float v) { return sign * v; });
      merge_into(row, share);
    }
  }

 private:
  const FarField& far_;
  const Partition& clusters_;
  PartialBuffer sums_;
  std::vector<float> value_;
};

// What changes hands, and at what factor: main += sign 2^log2_factor (shares of the entries).
struct Exchange {
  const HeadProblem& head;
  RowBlock& rows;
  const KeyRun& run;
  const FarField& far;
  const Partition& clusters;
  const std::int64_t* key_end;
  float sign, log2_factor;
  TileScratch& scratch;

  std::int64_t end(std::int64_t row) const {
    return key_end != nullptr ? key_end[row] : head.num_keys;
  }
};

// mark(tile, part): the columns of the tile that may have entries, the others of a row of the panel
// -inf.
template <typename Mark>
void exchange_singles(const Exchange& x, const Mark& mark) {
  SingleEntries entries(x.far, x.clusters);
  const std::int64_t step = kernels::blocking().rows;
  for_each_tile(x.head, x.run, x.scratch, [&](const KeyTile& tile) {
    for (std::int64_t begin = x.run.rows.begin; begin < x.run.rows.end; begin += step) {
      const Range part{begin, std::min(begin + step, x.run.rows.end)};
      const Range columns = mark(tile, part);
      for (std::int64_t r = begin; r < part.end && !columns.empty(); ++r)
        entries.join(x.rows.query(r),
                     x.scratch.panel.data() + (r - begin) * x.scratch.panel.stride(),
                     tile.keys().slice(columns.begin, columns.end - columns.begin), x.end(r), tile,
                     columns.begin, x.sign, x.log2_factor, x.rows.partial().slice(r, 1));
    }
  });
}

template <typename Mark>
void exchange_entries(const Exchange& x, const Mark& mark) {
  ImpliedRows implied(x.far, x.clusters);
  const std::int64_t step = kernels::blocking().rows, stride = x.scratch.panel.stride();
  for (std::int64_t first = x.run.rows.begin; first < x.run.rows.end; first += FarField::kRows) {
    const std::int64_t last = std::min(first + FarField::kRows, x.run.rows.end);
    implied.weigh(x.rows.query(first), last - first);
    for_each_tile(x.head, x.run, x.scratch, [&](const KeyTile& tile) {
      for (std::int64_t begin = first; begin < last; begin += step) {
        const Range part{begin, std::min(begin + step, last)};
        const Range columns = mark(tile, part);
        if (columns.empty()) continue;
        const std::int64_t width = columns.end - columns.begin;
        for (std::int64_t r = begin; r < part.end; ++r)
          implied.replace(r - first, tile.keys().slice(columns.begin, width),
                          x.scratch.panel.data() + (r - begin) * stride, x.end(r));
        implied.add_values(begin - first, part.end - begin, x.scratch.panel.data(), stride,
                           tile.values().from(columns.begin), width);
      }
    });
    implied.join(x.rows.partial().slice(first, last - first), x.sign, x.log2_factor);
  }
}

// The largest of count(row of the run) for its first, middle and last row.
template <typename Count>
std::int64_t widest(const KeyRun& run, const Count& count) {
  return std::max(
      {count(run.rows.begin), count((run.rows.begin + run.rows.end) / 2), count(run.rows.end - 1)});
}

template <typename Mark>
void exchange(const Exchange& x, std::int64_t most_entries, const Mark& mark) {
  const bool few = most_entries < kFewEntries * kernels::blocking().panel;
  x.far.shape() == nullptr&& few ? exchange_singles(x, mark) : exchange_entries(x, mark);
}

// -inf for the entries of these rows that no set holds, 0 for the others; how many of those.
std::int64_t mark_held(const EntrySets& sets, const IndexList& rows, const IndexList& keys,
                       float* panel, std::int64_t stride, FilterScratch& filter) {
  for (std::int64_t r = 0; r < rows.count; ++r) std::fill_n(panel + r * stride, keys.count, 0.0f);
  for (const EntrySet* set : sets) set->remove(rows, keys, panel, stride, filter);
  std::int64_t held = 0;
  for (std::int64_t r = 0; r < rows.count; ++r)
    for (std::int64_t k = 0; k < keys.count; ++k) {
      float& entry = panel[r * stride + k];
      held += entry == kMasked ? 1 : 0;
      entry = entry == kMasked ? 0.0f : kMasked;
    }
  return held;
}

}  // namespace

void subtract_shares(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                     const EntrySets& taken, const FarField& far, const Partition& clusters,
                     const std::int64_t* key_end, TileScratch& scratch) {
  if (run.rows.empty() || run.keys.count == 0) return;
  collect_left_out(run, rows.rows(), taken, scratch.left_out);
  const std::int64_t most = widest(run, [&](std::int64_t r) {
    const Range columns = tile_columns(head, rows.rows(), {r, r + 1}, run.keys, scratch.left_out);
    return columns.end - columns.begin;
  });
  const Exchange x{head, rows, run, far, clusters, key_end, -1, 0, scratch};
  exchange(x, most, [&](const KeyTile& tile, const Range& part) {
    const Range columns = tile_columns(head, rows.rows(), part, tile.keys(), scratch.left_out);
    if (!columns.empty())
      score_rows(head, rows, part, tile, columns, scratch.left_out, scratch.panel);
    return columns;
  });
}

void add_back_entries(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                      const EntrySets& heavy, const FarField& far, const Partition& clusters,
                      double weight, TileScratch& scratch) {
  collect_left_out(run, rows.rows(), heavy, scratch.left_out);
  if (scratch.left_out.empty()) return;
  FilterScratch filter;
  std::vector<float> row(static_cast<std::size_t>(run.keys.count));
  const std::int64_t most = widest(run, [&](std::int64_t r) {
    return mark_held(scratch.left_out, rows.rows().slice(r, 1), run.keys, row.data(),
                     run.keys.count, filter);
  });
  const Exchange x{
      head, rows, run, far, clusters, nullptr, 1, static_cast<float>(std::log2(weight)), scratch};
  exchange(x, most, [&](const KeyTile& tile, const Range& part) {
    const IndexList some = rows.rows().slice(part.begin, part.end - part.begin);
    const std::int64_t held = mark_held(scratch.left_out, some, tile.keys(), scratch.panel.data(),
                                        scratch.panel.stride(), filter);
    return held > 0 ? Range{0, tile.keys().count} : Range{0, 0};
  });
}

}  // namespace subquad
