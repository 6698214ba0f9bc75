#include "heavy/threshold/threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "core/memory.h"
#include "core/threads.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr std::int64_t kStep = 256;
constexpr float kHeld = -std::numeric_limits<float>::infinity();

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

// All entries of flagged rows, in groups of such rows alone.
class FlaggedRows final : public HeavySet {
 public:
  FlaggedRows(const HeadProblem& head, double threshold, int threads)
      : visible_(head), flags_(static_cast<std::size_t>(head.num_rows())) {
    const std::int64_t dim = head.head_dim();
    const auto load = [&](const IndexList& rows, float* out) {
      load_head_rows(head, head.problem->query, rows, 1.0f, out, dim);
    };
    flag_rows(head.num_rows(), dim, threshold, threads, load, flags_);
    for (std::size_t row = 0; row < flags_.size(); ++row)
      if (flags_[row] != 0) flagged_.push_back(static_cast<std::int32_t>(row));
    const IndexList all{flagged_.data(), 0, std::ssize(flagged_), true};
    const std::int64_t step = row_block_size(dim, head.value_dim());
    for (std::int64_t g = 0; g < count_blocks(all.count, step); ++g)
      groups_.push_back(list_block(all, g, step));
  }

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }
  bool groups_all_rows() const override { return false; }

  // Never streamed: how many rows a group has depends on others.
  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    if (visible_.count() > 0)
      runs.add({.rows = {0, rows.count}, .keys = visible_.all(), .packed = true});
  }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      if (flags_[static_cast<std::size_t>(rows[r])] != 0)
        std::fill_n(scores + r * stride, keys.count, kHeld);
  }
  WholeEntries whole() const override { return {flags_, {}}; }

 private:
  VisibleKeys visible_;
  std::vector<std::uint8_t> flags_;
  std::vector<std::int32_t> flagged_;
  std::vector<IndexList> groups_;
};

// All entries of flagged keys. Keys that no row may see take no place.
class FlaggedKeys final : public HeavySet {
 public:
  FlaggedKeys(const HeadProblem& head, double threshold, int threads)
      : flags_(static_cast<std::size_t>(head.num_keys)) {
    const std::int64_t dim = head.head_dim();
    const auto load = [&](const IndexList& keys, float* out) {
      kernels::load_rows(select_rows(head.keys(), keys), 1.0f, out, dim, dim);
    };
    flag_rows(head.num_keys, dim, threshold, threads, load, flags_);
    const VisibleKeys visible(head);
    const IndexList all = visible.all();
    for (std::int64_t i = 0; i < all.count; ++i)
      if (flags_[static_cast<std::size_t>(all[i])] != 0)
        flagged_.push_back(static_cast<std::int32_t>(all[i]));
  }

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    if (!flagged_.empty())
      runs.add({.rows = {0, rows.count}, .keys = {flagged_.data(), 0, std::ssize(flagged_), true}});
  }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t k = 0; k < keys.count; ++k) {
      if (flags_[static_cast<std::size_t>(keys[k])] == 0) continue;
      for (std::int64_t r = 0; r < rows.count; ++r) scores[r * stride + k] = kHeld;
    }
  }
  WholeEntries whole() const override { return {{}, flags_}; }

 private:
  std::vector<std::uint8_t> flags_;
  std::vector<std::int32_t> flagged_;
};

class ThresholdRule final : public HeavyRule {
 public:
  explicit ThresholdRule(const ThresholdOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    const double threshold = options_.value(head.num_keys);
    sets.push_back(std::make_unique<FlaggedRows>(head, threshold, threads));
    sets.push_back(std::make_unique<FlaggedKeys>(head, threshold, threads));
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
