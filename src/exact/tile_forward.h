// Exact attention on tiles: of bf16 query, key and value, and of any type in pieces of bf16.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exact/precision.h"
#include "exact/row_errors.h"
#include "rows/head_problem.h"
#include "rows/split_error.h"
#include "subquad/attention.h"

namespace subquad {

// Fewer rows of a head than this read the keys where they lie.
constexpr std::int64_t kFewestTileRows = 17;

// Whether there are tiles of bf16 for this problem, and whether for this head of it.
bool suits_tiles(const Problem& problem);
bool suits_tiles(const HeadProblem& head);

// What exact attention of the head runs on: f32, up to twice as fast, or several times.
enum class Arithmetic : std::uint8_t { f32, dots, matrix_unit };
Arithmetic arithmetic_of(const HeadProblem& head);

// The ways to take on tiles, one after the other for what the one before leaves; what the last one
// leaves goes to f32. None: there are no tiles for this head.
std::vector<SplitOrder> tile_ways(const HeadProblem& head, const ExactPrecision& precision);

struct TileRun {
  std::string
      path;  // "bf16-amx"; "split3-amx", with "+split6-amx" and "+f32" for rows that took it
  std::int64_t scored_entries = 0;
  ErrorTotals errors;  // of splitting
};

// All rows of these heads, of one problem. Scratch: the keys and values of as many heads as fit 1
// MB a thread and 16 MB, at least one head's, and half a MB a thread; split into p pieces, p times
// as much.
TileRun tile_forward(std::span<const HeadProblem> heads, std::span<const SplitOrder> ways,
                     const Outputs& outputs, int threads);

// "bf16-amx": what bf16 runs on.
std::string tile_path();

}  // namespace subquad
