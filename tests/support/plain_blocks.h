// Heavy entries with blocks of keys as pseudo keys, and corrections at every step-th row, by plain
// loops in double precision, for one head. Only which entries are heavy is the library's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rows/head_problem.h"
#include "support/multipole_model.h"
#include "support/plain_multipole.h"

namespace subquad::testing {

class PlainBlocks {
 public:
  // `heavy`: a spec of heavy parts, or empty. block: keys of a pseudo key; 0: the rest is dropped.
  PlainBlocks(const HeadProblem& head, const std::string& heavy, std::int64_t block);

  bool sees(std::int64_t i, std::int64_t key) const;
  bool sees_any(std::int64_t i) const;
  bool in_band_of(std::int64_t i, std::int64_t key) const;
  // Whether the element mask, the same for all rows, leaves the key.
  bool is_member(std::int64_t key) const { return !is_hidden(0, key); }
  bool is_heavy(std::int64_t i, std::int64_t key) const {
    return heavy_[at(i * head_.num_keys + key)] != 0;
  }
  // Whether row i meets block b as a pseudo key.
  bool is_whole(std::int64_t i, std::int64_t b) const;

  // Rows that see a key.
  PlainRow row(const PlainTensors& tensors, std::int64_t i) const;
  PlainRow exact_row(const PlainTensors& tensors, std::int64_t i) const;
  // row() plus what exact_row() changes of the last row before it at a multiple of `step`.
  PlainRow corrected_row(const PlainTensors& tensors, std::int64_t i, std::int64_t step) const;

 private:
  struct Entry {
    double score;
    std::int64_t key;
  };
  bool is_hidden(std::int64_t i, std::int64_t key) const;
  double mean_score(const PlainTensors& tensors, std::int64_t i, std::int64_t b) const;
  PlainRow sum(const PlainTensors& tensors, std::int64_t i,
               const std::vector<Entry>& entries) const;

  const HeadProblem& head_;
  std::int64_t block_;
  std::vector<std::uint8_t> heavy_;
};

}  // namespace subquad::testing
