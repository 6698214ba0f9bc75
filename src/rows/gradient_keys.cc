#include "rows/gradient_keys.h"

#include "kernels/half.h"
#include "kernels/tiles/tile_pack.h"

namespace subquad {

GradientKeys::GradientKeys(const HeadProblem& head)
    : head_(head),
      keys_(head, f32_to_bf16(kLargestTileValue)),
      depth_(kernels::tiles_along(head.head_dim())),
      value_depth_(kernels::tiles_along(head.value_dim())),
      key_columns_(keys_.count() / kernels::kTileColumns * depth_),
      value_columns_(keys_.count() / kernels::kTileColumns * value_depth_),
      key_pairs_(keys_.count() / kernels::kTileDepth * 2 * depth_) {}

void GradientKeys::pack(std::int64_t part) {
  keys_.pack(part, [&](std::int64_t key, const HalfStepRows& rows) {
    const std::int64_t column = keys_.place(key) / kernels::kTileColumns;
    kernels::pack_key_columns(rows.keys, head_.head_dim(), &key_columns_[column * depth_], depth_);
    kernels::pack_key_columns(rows.values, head_.value_dim(),
                              &value_columns_[column * value_depth_], value_depth_);
    kernels::pack_pairs(rows.keys, head_.head_dim(), 2 * depth_, &key_pairs_[column * depth_]);
  });
}

}  // namespace subquad
