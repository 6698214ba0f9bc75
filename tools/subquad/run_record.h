// One row of results: a method on an input, over all heads or on one. The JSON contract.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "speed.h"
#include "subquad/attention.h"
#include "subquad/certificate.h"
#include "subquad/problem.h"

namespace subquad::cli {

enum class Pass : std::uint8_t { forward, backward, both, decode };
const char* pass_name(Pass pass);

// The sizes of a problem, as the records state them.
struct ProblemSize {
  std::int64_t batch = 1, heads = 0, kv_heads = 0, queries = 0, seq = 0;  // seq: keys a head
  std::int64_t head_dim = 0, value_dim = 0;
  Causal causal = Causal::none;
  DType dtype = DType::f32;
  Pass pass = Pass::forward;
};
ProblemSize size_of(const Problem& problem, Pass pass);

// Arithmetic of exact attention, in floating-point operations: 2 (D + Dv) for each visible score
// forward (4 n^2 D when square and not causal, half when causal), 2 (3 D + 2 Dv) backward, their
// sum for both.
double nominal_flops(const ProblemSize& size);

// Bytes of K and V: what decoding has to read.
double cache_bytes(const ProblemSize& size);

using Number = std::optional<double>;  // seconds, rates, ratios; empty: not measured
using Count = std::optional<std::int64_t>;

struct RunRecord {
  std::string method, input, path;  // path: which code ran
  std::int64_t head = -1;           // -1: all
  ProblemSize size;
  Number median_s, gflops, fraction_of_fma, read_gbps, fraction_of_read;
  Number exact_median_s, speedup_over_exact;
  Number time_low_s, time_high_s;    // spread of the rounds (speed.h); one round: none
  std::optional<Speed> speed;        // against exact
  Number rel_fro_low, rel_fro_high;  // over the seeds, where there are several
  Count exact_rows;  // query rows a head that exact ran on; its time is scaled to all of them
  Number rel_fro, max_over_vmax, op_rel, rows_over_1pct, rows_over_5pct, rows_over_20pct;
  Count peak_extra_bytes, fallback_rows, scored_entries, repeats, seeds;
  std::int64_t exact_heads = 0;           // that a method with a target error ran exactly
  std::optional<double> estimated_error;  // by the method's own probes or bound
  std::optional<double> error_bound;      // of kernel sums, what is guaranteed
  Count negative_rows;                    // divided by a negative sum of weights
  std::optional<double> recall;           // of a search through candidates
  std::optional<Certificate> certificate;
  std::vector<std::string> converted;  // tensors of the input that were f64 and are used as f32
};

// The rounds of a run and of exact attention in the same rounds, all rows counted: median, spread,
// and what follows for its speed. run.path must be known.
void add_times(RunRecord& run, const std::vector<double>& seconds,
               const std::vector<double>& exact_seconds);

// What the library says of a run.
void add_report(RunRecord& run, const Report& report);

struct MachineRecord {
  // All threads together: the best of the run, and the median (other guests share the memory).
  Number fma_gflops, read_gbps;
  int threads = 0;
  std::string isa;
  std::string processor;  // empty: the system does not say
};
MachineRecord machine_record(int threads);

// {"machine": {..}, "runs": [..]}
nlohmann::ordered_json to_json(const MachineRecord& machine, const std::vector<RunRecord>& runs);

}  // namespace subquad::cli
