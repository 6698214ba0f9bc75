// The shapes that a benchmark runs: from the command line or from a problem file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run_record.h"

namespace subquad::cli {

// As many as the library takes.
inline constexpr std::int64_t kMostPositions = (std::int64_t{1} << 30) - 1;

// Zero means: not given, take the natural default (see resolve).
struct ShapeOptions {
  std::vector<std::int64_t> seq;
  std::int64_t batch = 1, heads = 8, kv_heads = 0, queries = 0, head_dim = 64, value_dim = 0;
  std::string dtype = "f32", pass = "forward", causal = "none";
};

Pass parse_pass(const std::string& word, const std::string& where);

// One size for each seq. Defaults: kv_heads = heads, value_dim = head_dim, queries = seq (1 when
// decoding, where 1 to 16 are allowed). Throws Error naming the option at fault.
std::vector<ProblemSize> resolve(const ShapeOptions& options);

// A JSON list of objects with the keys seq (a number or a list), batch, heads, kv_heads, queries,
// head_dim, value_dim, dtype, pass, causal; absent keys come from `defaults`. Throws Error.
std::vector<ProblemSize> read_problem_file(const std::string& path, const ShapeOptions& defaults);

}  // namespace subquad::cli
