// Hash tables of points that near points share: p-stable LSH for Euclidean distances.
//
// source: Datar, Immorlica, Indyk, Mirrokni, "Locality-sensitive hashing scheme based on p-stable
// distributions", SoCG 2004, section 3: h(x) = floor((<a, x> + b) / w), a standard normal, b
// uniform in [0, w); a table is the concatenation of k such functions. use when: near neighbours in
// the Euclidean distance, or samples with known chances, are asked for. do not use for: large inner
// products of vectors with different norms; lifted_points.h); ranges that hold most of the points.
// assumption: none; the chance of a collision is a function of the distance alone.
// cost: 2 n D k L flops and L radix sorts to build; 2 D k flops and a binary search a look-up.
// Memory: n L ids of 4 bytes, 12 bytes a bucket that is not empty, k D L floats.
// parameters: width w > 0 in the units of the points; concatenation k 1 to 64; tables L 1 to
// 65,536.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/memory.h"
#include "core/rng.h"

namespace subquad {

struct EuclideanHash {
  double width = 1;
  std::int64_t concatenation = 1;
  std::int64_t tables = 1;
};

class EuclideanLsh {
 public:
  // points: n rows of `dim` floats; they are not kept. Points that are not finite are in no bucket.
  // The same tables for any number of threads. Throws Error (invalid_argument) for sizes out of
  // range.
  EuclideanLsh(const float* points, std::int64_t n, std::int64_t dim, const EuclideanHash& how,
               const Rng& rng, int threads);

  std::int64_t tables() const { return how_.tables; }
  // Points that share the query's bucket, ascending; empty where its numbers are not finite.
  // Thread-safe.
  std::span<const std::int32_t> bucket(std::int64_t table, const float* query) const;

  // The same in two steps, for many queries at once: codes of `count` rows, and a code's points.
  using Code = std::uint64_t;
  void hash(std::int64_t table, const float* queries, std::int64_t count, Code* codes) const;
  std::span<const std::int32_t> bucket_of(std::int64_t table, Code code) const;

  // Chance that two points at this distance (not negative) share a bucket of one table.
  static double collision_probability(double distance, double width, std::int64_t concatenation);

 private:
  struct Table {
    Scratch<std::int32_t> ids;      // by code, ascending inside each
    std::vector<Code> codes;        // of the buckets, ascending
    std::vector<std::int32_t> end;  // of each bucket, in ids
  };

  void set_center(const float* points, std::int64_t n);
  void draw_functions(const Rng& rng);
  Table make_table(std::int64_t table, const float* points, std::int64_t n) const;

  EuclideanHash how_;
  std::int64_t dim_, panel_stride_ = 0;
  std::vector<float> center_;   // taken off all points: the bits of near points' differences
  Scratch<float> functions_;    // a / w, packed, table after table
  std::vector<float> offsets_;  // b / w
  std::vector<Table> tables_;
};

}  // namespace subquad
