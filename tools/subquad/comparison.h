// Exact and approximate attention on one layer, side by side.
#pragma once

#include <string>
#include <vector>

#include "layer.h"
#include "progress.h"
#include "run_record.h"
#include "subquad/attention.h"

namespace subquad::cli {

struct CompareSettings {
  std::vector<std::string> methods;  // specs; exact is always run first and need not be named
  Options run;
  int seeds = 1;              // errors are medians over so many seeds, from run.seed up
  int repeats = 0;            // timed rounds; 0 chooses
  double budget_s = 6;        // seconds of timed rounds that the choice aims at
  bool operator_norm = true;  // op_rel: the slowest metric
  std::int64_t certify = 0;   // rows of a certificate for each method, of its first seed; 0: none
};

struct Comparison {
  std::string input, description, causal_from;
  bool synthetic = false;
  std::vector<std::string> converted;  // tensors that were f64
  ProblemSize size;
  float scale = 0;
  std::uint64_t seed = 0;  // of the times and the certificates; errors: this and those after it
  int seeds = 1;
  double fma_gflops = 0;        // best of the rounds, the same thread count
  std::vector<RunRecord> runs;  // exact, then for each method: all heads, head 0, head 1, ..
};

Comparison compare_layer(const Layer& layer, const CompareSettings& settings, Progress& progress);

}  // namespace subquad::cli
