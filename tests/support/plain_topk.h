// Top-k attention straight from its definition, in double precision: sort a row's visible scores,
// keep the k largest, of equal ones the first keys. Shares no code with the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "support/reference_attention.h"

namespace subquad::testing {

class PlainTopk {
 public:
  PlainTopk(const Problem& problem, std::int64_t k);

  DenseTensor out, lse;
  DenseTensor gap;       // of each row, between its last kept score and the next; inf: none is left
  double max_score = 0;  // largest finite |score| seen
  std::vector<std::uint8_t> kept;  // (B, Hq, Lq, Lk): 1 where the row keeps the key

 private:
  using Entry = std::pair<double, std::int64_t>;  // score, key of the tensor

  std::vector<Entry> visible(const SequenceRange& range, std::int64_t b, std::int64_t h,
                             std::int64_t i);

  void add_row(const SequenceRange& range, std::int64_t b, std::int64_t h, std::int64_t i);

  const Problem& problem_;
  std::size_t k_;
  DenseTensor query_, key_, value_;
  double scale_ = 1;
};

}  // namespace subquad::testing
