// Exact attention on tiles: bf16 query, key and value.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "rows/head_problem.h"
#include "subquad/attention.h"

namespace subquad {

// Fewer rows of a head than this read the keys where they lie.
constexpr std::int64_t kFewestTileRows = 17;

// Whether there are tiles for this problem, and whether for this head of it.
bool suits_tiles(const Problem& problem);
bool suits_tiles(const HeadProblem& head);

// What exact attention of the head runs on: f32, up to twice as fast, or several times.
enum class Arithmetic : std::uint8_t { f32, dots, matrix_unit };
Arithmetic arithmetic_of(const HeadProblem& head);

// All rows of these heads, of one problem. Returns the scored entries. Scratch: the keys and values
// of as many heads as fit 1 MB a thread and 16 MB, at least one head's, and half a MB a thread.
std::int64_t tile_forward(std::span<const HeadProblem> heads, const Outputs& outputs, int threads);

// "bf16-amx": the engine that tile_forward() runs on.
std::string tile_path();

}  // namespace subquad
