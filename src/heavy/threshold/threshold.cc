#include "heavy/threshold/threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/memory.h"
#include "core/threads.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr std::int64_t kStep = 256;

// 1 where a row of `count` has a channel that is not within the threshold.
template <typename Load>
void flag_rows(std::int64_t rows, std::int64_t dim, double threshold, int threads, const Load& load,
               std::vector<std::uint8_t>& flags) {
  parallel_workers(threads, (rows + kStep - 1) / kStep, [&] {
    return [&, data = Scratch<float>(kStep * dim)](std::int64_t block) mutable {
      const std::int64_t begin = block * kStep, count = std::min(kStep, rows - begin);
      load(index_range(begin, begin + count), data.data());
      for (std::int64_t i = 0; i < count; ++i)
        flags[static_cast<std::size_t>(begin + i)] =
            std::all_of(data.data() + i * dim, data.data() + (i + 1) * dim,
                        [&](float x) { return std::fabs(double{x}) <= threshold; })
                ? 0
                : 1;
    };
  });
}

class ThresholdSet final : public HeavySet {
 public:
  ThresholdSet(const HeadProblem& head, double threshold, int threads)
      : rows_(static_cast<std::size_t>(head.num_rows())),
        keys_(static_cast<std::size_t>(head.num_keys)) {
    const std::int64_t dim = head.head_dim();
    flag_rows(
        head.num_rows(), dim, threshold, threads,
        [&](const IndexList& rows, float* out) {
          load_head_rows(head, head.problem->query, rows, 1.0f, out, dim);
        },
        rows_);
    flag_rows(
        head.num_keys, dim, threshold, threads,
        [&](const IndexList& keys, float* out) {
          kernels::load_rows(select_rows(head.keys(), keys), 1.0f, out, dim, dim);
        },
        keys_);
    list_keys(head);
  }

  // All rows meet the flagged keys, flagged rows the others too. Which place a key takes depends on
  // keys that a row may not see: on tiles of bf16 that could change the row's bits.
  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    if (!flagged_.empty())
      runs.add({.rows = {0, rows.count}, .keys = list(flagged_), .in_f32 = true});
    for (std::int64_t begin = 0; begin < rows.count;) {
      std::int64_t end = begin;
      while (end < rows.count && flags_row(rows[end])) ++end;
      if (end > begin && !others_.empty())
        runs.add({.rows = {begin, end}, .keys = list(others_), .in_f32 = true, .packed = true});
      begin = end + 1;
    }
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const bool whole = flags_row(rows[r]);
      for (std::int64_t k = 0; k < keys.count; ++k)
        if (whole || keys_[static_cast<std::size_t>(keys[k])] != 0)
          scores[r * stride + k] = -std::numeric_limits<float>::infinity();
    }
  }

  WholeEntries whole() const override { return {rows_, keys_}; }

 private:
  static IndexList list(const std::vector<std::int32_t>& ids) {
    return {ids.data(), 0, std::ssize(ids), true};
  }
  bool flags_row(std::int64_t row) const { return rows_[static_cast<std::size_t>(row)] != 0; }

  // Keys that no row may see take no place.
  void list_keys(const HeadProblem& head) {
    const VisibleKeys visible(head);
    const IndexList all = visible.all();
    for (std::int64_t i = 0; i < all.count; ++i) {
      const auto key = static_cast<std::size_t>(all[i]);
      (keys_[key] != 0 ? flagged_ : others_).push_back(static_cast<std::int32_t>(all[i]));
    }
  }

  std::vector<std::uint8_t> rows_, keys_;  // 1: flagged
  std::vector<std::int32_t> flagged_, others_;
};

class ThresholdRule final : public HeavyRule {
 public:
  explicit ThresholdRule(const ThresholdOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<ThresholdSet>(head, options_.value(head.num_keys), threads));
    return sets;
  }

 private:
  ThresholdOptions options_;
};

}  // namespace

double ThresholdOptions::value(std::int64_t keys) const {
  return t > 0 ? t : std::sqrt(c * std::log(std::max(2.0, static_cast<double>(keys))));
}

ThresholdOptions read_threshold_options(SpecReader& reader) {
  ThresholdOptions o;
  o.t = reader.number("t", o.t, 0, 1e30);
  o.c = reader.number("c", o.c, 1e-6, 1e6);
  return o;
}

std::unique_ptr<HeavyRule> make_threshold(const ThresholdOptions& options) {
  return std::make_unique<ThresholdRule>(options);
}

std::unique_ptr<HeavyRule> make_threshold_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const ThresholdOptions options = read_threshold_options(reader);
  reader.finish();
  return make_threshold(options);
}

}  // namespace subquad
