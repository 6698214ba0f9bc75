#include "density/slab_stages.h"

namespace subquad {
namespace {

constexpr std::int64_t kColumns = kernels::kPointColumns;
constexpr std::int64_t kFirst = 16, kLeast = 8, kShare = 4;  // of a stage, in blocks

}  // namespace

SlabStages::SlabStages(std::int64_t points, std::int64_t fixed)
    : points_(points), blocks_((points + kColumns - 1) / kColumns) {
  const std::int64_t last = fixed > 0 ? std::min((fixed + kColumns - 1) / kColumns, blocks_) : 0;
  std::int64_t end = std::min(last > 0 ? last : kFirst, blocks_);
  end_.push_back(end);
  while (last == 0 && end < blocks_) {
    end = std::min(end + std::max(kLeast, end / kShare), blocks_);
    end_.push_back(end);
  }
}

std::vector<Range> SlabStages::blocks(std::int64_t s, std::int64_t start) const {
  const std::int64_t from = start + (s == 0 ? 0 : end_[static_cast<std::size_t>(s - 1)]);
  const std::int64_t to = start + end_[static_cast<std::size_t>(s)];
  if (to <= blocks_) return {{from, to}};
  if (from >= blocks_) return {{from - blocks_, to - blocks_}};
  return {{from, blocks_}, {0, to - blocks_}};
}

std::int64_t SlabStages::points_in(const Range& blocks) const {
  return std::min(blocks.end * kColumns, points_) - blocks.begin * kColumns;
}

}  // namespace subquad
