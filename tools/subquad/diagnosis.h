// The probes of one layer: what `subquad diagnose` measures and writes.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "layer.h"
#include "progress.h"
#include "run_record.h"
#include "subquad/attention.h"
#include "subquad/probe.h"

namespace subquad::cli {

struct DiagnoseSettings {
  std::string method = "sortlsh(block=256)";  // heavy parts, for kappa
  double epsilon = 0.5;
  std::int64_t skip_columns = 0;
  std::int64_t rows = 0;  // query rows that alpha and head_tail sample; 0: all
  bool alpha = true, kappa = true, stable_rank = true, head_tail = false;
  Options run;
};

// One query head of one sequence; head = -1: the worst of all, probe by probe. Probes that were not
// asked for are empty.
struct ProbeRecord {
  std::int64_t sequence = -1, head = -1;
  std::optional<Alpha> alpha;
  std::optional<Kappa> kappa;
  std::optional<StableRank> stable_rank;
  std::optional<HeadTail> head_tail;
  std::optional<LemmaSamples> lemma1, lemma2;  // each holds its own lemma's fields
};

struct Diagnosis {
  std::string input, description, causal_from;
  bool synthetic = false;
  ProblemSize size;
  float scale = 0;
  std::vector<ProbeRecord> records;  // the heads in order, then the worst
};

Diagnosis diagnose_layer(const Layer& layer, const DiagnoseSettings& settings, Progress& progress);

// The first `length` positions of queries and keys. Throws Error (naming --lengths) when the layer
// is shorter, or has more keys than queries or fewer.
Layer prefix_of(const Layer& layer, std::int64_t length);

// {"machine": {..}, "probes": [..]}; what JSON cannot hold (infinity, NaN) and what was not
// measured is null.
nlohmann::ordered_json to_json(const MachineRecord& machine,
                               const std::vector<Diagnosis>& diagnoses,
                               const DiagnoseSettings& settings);

// A table: the heads, then the worst.
std::string diagnosis_text(const Diagnosis& diagnosis, const DiagnoseSettings& settings);

}  // namespace subquad::cli
