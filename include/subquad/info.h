// What the library and the machine are. Any number of threads may call at once, but select_isa().
#pragma once

#include <string>
#include <vector>

#include "subquad/export.h"

namespace subquad {

struct BuildInfo {
  std::string version;
  std::string compiler;
  std::vector<std::string> isa_compiled;   // instruction sets with a kernel in this build
  std::vector<std::string> isa_supported;  // those that this machine can run
  std::string isa;  // the one in use; the environment's SUBQUAD_ISA lowers it
  int threads;      // used where 0 are asked for
};
SUBQUAD_API BuildInfo build_info();

// Sustained f32 multiply-add rate of a register-only loop, in GFLOP/s (2 flops each), `threads`
// threads together (0: the default; no more than the processors that this process may use). Takes
// about `seconds`, above 0 and up to 3,600; all three throw Error for others. The yardstick of
// every speed we state.
SUBQUAD_API double measure_fma_gflops(int threads, double seconds = 0.2);

// As above for products of bf16 tiles, on the matrix unit or by dot products; 0 where f32 is in
// use. What exact attention of bf16 query, key and value runs on.
SUBQUAD_API double measure_tile_gflops(int threads, double seconds = 0.2);

// Sustained read bandwidth over a buffer far larger than the caches, in GB/s (1e9), `threads`
// threads.
SUBQUAD_API double measure_read_gbps(int threads, double seconds = 0.2);

// Lowers (or restores, with "") the instruction set: "amx" (avx3 and bf16 tiles), "avx3_bf16" (avx3
// and dot products of bf16; unasked only where they are faster than f32, measured once), "avx3",
// "avx2", "sse4", "scalar", as SUBQUAD_ISA does. Throws Error (invalid_argument) for a name that is
// unknown or not supported here. Call when nothing else of the library is running.
SUBQUAD_API void select_isa(const std::string& name);

}  // namespace subquad
