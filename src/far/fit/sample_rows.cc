#include "far/fit/sample_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/sampling.h"

namespace subquad {
namespace {

// sample_evenly() draws for rows below this number, sample_others() from it on.
constexpr std::uint32_t kOtherDraws = 1u << 30;

std::uint32_t narrow(std::int64_t number) { return static_cast<std::uint32_t>(number); }

}  // namespace

std::vector<Range> ranges_by_group(std::span<const std::int32_t> group_of, std::int64_t groups) {
  std::vector<Range> ranges(static_cast<std::size_t>(groups));
  for (std::int64_t i = 0; i < std::ssize(group_of); ++i) {
    Range& range = ranges[static_cast<std::size_t>(group_of[static_cast<std::size_t>(i)])];
    range = {range.empty() ? i : range.begin, i + 1};
  }
  return ranges;
}

SampleRows sample_groups(std::span<const IndexList> groups, std::int64_t count, const Rng& rng,
                         const std::function<bool(std::int64_t row)>& usable) {
  SampleRows sample;
  const std::int64_t all = std::ssize(groups);
  for (std::int64_t g = 0; g < all; ++g) {
    const IndexList& members = groups[static_cast<std::size_t>(g)];
    const std::int64_t wanted =
        std::min(members.count, (count * (g + 1)) / all - (count * g) / all);
    std::vector<std::int32_t> left(members.ids, members.ids + members.count);
    for (std::int64_t i = 0; i < wanted; ++i) {
      const std::int64_t pick =
          i + rng.below(members.count - i, Purpose::probe, narrow(g), narrow(i));
      std::swap(left[static_cast<std::size_t>(i)], left[static_cast<std::size_t>(pick)]);
      const std::int32_t row = left[static_cast<std::size_t>(i)];
      if (usable(row)) sample.add(row, g);
    }
  }
  return sample;
}

SampleRows sample_evenly(std::span<const IndexList> groups, std::int64_t count, const Rng& rng) {
  SampleRows all, sample;
  for (std::int64_t g = 0; g < std::ssize(groups); ++g) {
    const IndexList& members = groups[static_cast<std::size_t>(g)];
    for (std::int64_t i = 0; i < members.count; ++i)
      all.add(static_cast<std::int32_t>(members[i]), g);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = all.size() * i / count, end = all.size() * (i + 1) / count;
    const auto pick =
        static_cast<std::size_t>(begin + rng.below(end - begin, Purpose::probe, narrow(i), 0));
    sample.add(all.rows[pick], all.group_of[pick]);
  }
  return sample;
}

SampleRows sample_others(std::span<const IndexList> groups, const SampleRows& others,
                         std::int64_t count, const Rng& rng) {
  std::vector<std::int32_t> taken = others.rows;
  std::sort(taken.begin(), taken.end());
  SampleRows sample;
  for (std::int64_t g = 0; g < std::ssize(groups); ++g) {
    const IndexList& members = groups[static_cast<std::size_t>(g)];
    std::vector<std::int32_t> left;
    for (std::int64_t i = 0; i < members.count; ++i)
      if (!std::binary_search(taken.begin(), taken.end(), members[i]))
        left.push_back(static_cast<std::int32_t>(members[i]));
    for (const std::int32_t row : stratified_sample(left, std::min(count, std::ssize(left)), rng,
                                                    Purpose::probe, kOtherDraws + narrow(g)))
      sample.add(row, g);
  }
  return sample;
}

}  // namespace subquad
