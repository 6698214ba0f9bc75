// Rows of a head that its far field is judged by: drawn from groups of rows that are taken
// together, and known by group from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/index_list.h"
#include "core/rng.h"
#include "rows/head_problem.h"

namespace subquad {

struct SampleRows {
  std::vector<std::int32_t> rows;      // group by group
  std::vector<std::int32_t> group_of;  // of each, ascending

  std::int64_t size() const { return static_cast<std::int64_t>(rows.size()); }
  IndexList list() const { return list({0, size()}); }
  IndexList list(const Range& part) const {
    return {rows.data() + part.begin, 0, part.end - part.begin, false};
  }
  void add(std::int32_t row, std::int64_t group) {
    rows.push_back(row);
    group_of.push_back(static_cast<std::int32_t>(group));
  }
};

// The sample rows of each of `groups` groups.
std::vector<Range> ranges_by_group(std::span<const std::int32_t> group_of, std::int64_t groups);

// About `count` rows, the same number from every group whatever its size (all of it where it is
// smaller), without replacement; those that are not `usable` are left out.
SampleRows sample_groups(std::span<const IndexList> groups, std::int64_t count, const Rng& rng,
                         const std::function<bool(std::int64_t row)>& usable);
// `count` rows, one of each of as many equal runs of the groups' rows: large groups have more.
SampleRows sample_evenly(std::span<const IndexList> groups, std::int64_t count, const Rng& rng);
// At most `count` rows of each group, none of them in `others`. Other draws than sample_evenly's.
SampleRows sample_others(std::span<const IndexList> groups, const SampleRows& others,
                         std::int64_t count, const Rng& rng);

}  // namespace subquad
