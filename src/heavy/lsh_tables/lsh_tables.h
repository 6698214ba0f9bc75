// lsh_tables(recall, alpha): each query's heavy keys, those whose weight is at least n^-alpha of
// its largest, by hash tables.
//
// source: KMV, Algorithm 1 (FindHeavy) on keys lifted by Lemma 4.1 (index/gaussian_lift.h). The
// paper asks for kernels of at least n^-alpha; a row of attention is divided by its own sum, so
// weights count here relative to the row's largest, and queries are scaled to the length of the
// lifted keys. Its 10 n^alpha ln n tables of Andoni and Indyk are thousands: width, functions and
// tables are the cheapest p-stable ones (index/lsh_plan.h) that are expected to find `recall` of
// the heavy keys of a few queries searched in full. Where no tables are cheaper, rows are searched
// in full. use when: attention is peaked (a row's weights fall fast) and the rest is sampled or
// dropped. do not use for: flat attention, where all keys are heavy; short sequences (topk).
// assumption: A, for the cost alone (`subquad diagnose`). Under a causal mask or a window, tables
// of each piece of rows (rows/row_pieces.h) follow from keys that all its rows see and from queries
// before it (strict, the default).
// cost: 32 queries a piece searched in full; 2 n D k L flops of hashing; 2 D flops a candidate.
// parameters: recall 0.01 to 1 (every row in full), default 0.9; alpha 0 to 1e4, default 1/3;
// recall_rows rows a head searched in full to measure the recall, 0 to 2^20, default 64; strict
// default true.
#pragma once

#include <memory>
#include <string>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

struct LshTablesOptions {
  double recall = 0.9, alpha = 1.0 / 3;
  std::int64_t recall_rows = 64;
  bool strict = true;
};

std::unique_ptr<HeavyRule> make_lsh_tables(const LshTablesOptions& options);
std::unique_ptr<HeavyRule> make_lsh_tables_rule(const SpecPart& spec);
// Its name, and `published` if it is not strict.
std::string lsh_tables_path(const SpecPart& spec);

}  // namespace subquad
