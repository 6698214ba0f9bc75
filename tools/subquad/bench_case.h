// One shape of a benchmark: its input, the exact run (whole or on some query rows) and the methods.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "buffer.h"
#include "contenders.h"
#include "layer.h"
#include "run_record.h"

namespace subquad::cli {

// Standard normal q, k, v of the given size.
Layer gaussian_layer(const ProblemSize& size, std::uint64_t seed);

// For decoding: the last `queries` query rows of a layer; top_left becomes what the rows saw.
// Throws Error when the layer has fewer rows, or is top_left with more or fewer queries than keys.
void keep_last_queries(Layer& layer, std::int64_t queries);

struct BenchSettings {
  std::vector<std::string> methods;
  Options run;
  std::int64_t exact_rows = 0;  // 0: all; else exact runs on that many query rows and is scaled up
  int repeats = 0;
  double budget_s = 6;
  bool errors = true;  // measure errors (not op_rel) on the rows that exact ran on
};

struct BenchResult {
  std::vector<RunRecord> runs;  // exact first
  Number fma_gflops, read_gbps;
};

// pass: forward and decode run attend(), backward runs attend_backward(), both the one after the
// other. Errors are those of the forward's output.
BenchResult run_bench_case(const Layer& layer, Pass pass, const BenchSettings& settings,
                           Progress& progress);

}  // namespace subquad::cli
