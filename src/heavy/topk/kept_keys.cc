#include "heavy/topk/kept_keys.h"

namespace subquad {

void KeptLists::close() {
  for (std::int64_t r = 0; r + 1 < offsets_.size(); ++r) {
    const std::int64_t count = offsets_[r + 1], begin = offsets_[r];
    if (begin != r * capacity_) std::copy_n(room(r), count, keys_.data() + begin);
    offsets_[r + 1] = begin + count;
  }
}

}  // namespace subquad
