// Rows that each meet any number of keys, one bit for each: evaluated tile by tile as exact
// attention is, the others left out.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/key_tile.h"
#include "parts/heavy.h"
#include "heavy/topk/kept_keys.h"

namespace subquad {

class MarkedSet final : public HeavySet {
 public:
  // `tiles`: all keys in tiles of key_tile_size(), or empty: packed on the way.
  MarkedSet(const HeadProblem& head, KeptBits kept, std::vector<KeyTile> tiles);
  MarkedSet(const MarkedSet&) = delete;
  MarkedSet& operator=(const MarkedSet&) = delete;

  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  // The complement.
  class Unmarked final : public EntrySet {
   public:
    explicit Unmarked(const KeptBits& kept) : kept_(kept) {}
    void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
                FilterScratch& scratch) const override;

   private:
    const KeptBits& kept_;
  };

  const HeadProblem& head_;
  KeptBits kept_;
  std::vector<KeyTile> tiles_;
  Unmarked unmarked_;
};

}  // namespace subquad
