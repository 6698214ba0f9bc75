#include "run_record.h"

#include <algorithm>
#include <cmath>

#include "contenders.h"
#include "names.h"
#include "processor.h"
#include "subquad/info.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json json_of(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Scores that one head evaluates.
double visible_scores(const ProblemSize& size) {
  if (size.causal == Causal::none) {
    return static_cast<double>(size.queries) * static_cast<double>(size.seq);
  }
  const std::int64_t shift = size.causal == Causal::bottom_right ? size.seq - size.queries : 0;
  double sum = 0;
  for (std::int64_t i = 0; i < size.queries; ++i) {
    sum += static_cast<double>(std::clamp<std::int64_t>(i + shift + 1, 0, size.seq));
  }
  return sum;
}

Json size_json(const ProblemSize& size) {
  return {{"seq", size.seq},
          {"queries", size.queries},
          {"head_dim", size.head_dim},
          {"value_dim", size.value_dim},
          {"batch", size.batch},
          {"heads", size.heads},
          {"kv_heads", size.kv_heads},
          {"causal", causal_name(size.causal)},
          {"pass", pass_name(size.pass)},
          {"dtype", name_of(size.dtype)}};
}

Json time_json(const RunRecord& run) {
  return {{"median_s", json_of(run.median_s)},
          {"time_low_s", json_of(run.time_low_s)},
          {"time_high_s", json_of(run.time_high_s)},
          {"repeats", json_of(run.repeats)},
          {"seeds", json_of(run.seeds)},
          {"gflops", json_of(run.gflops)},
          {"fraction_of_fma", json_of(run.fraction_of_fma)},
          {"read_gbps", json_of(run.read_gbps)},
          {"fraction_of_read", json_of(run.fraction_of_read)},
          {"exact_median_s", json_of(run.exact_median_s)},
          {"exact_rows", json_of(run.exact_rows)},
          {"speedup_over_exact", json_of(run.speedup_over_exact)},
          {"speed", run.speed ? Json(name_of(*run.speed)) : Json(nullptr)}};
}

Json error_json(const RunRecord& run) {
  return {{"rel_fro", json_of(run.rel_fro)},
          {"rel_fro_low", json_of(run.rel_fro_low)},
          {"rel_fro_high", json_of(run.rel_fro_high)},
          {"max_over_vmax", json_of(run.max_over_vmax)},
          {"op_rel", json_of(run.op_rel)},
          {"rows_over_1pct", json_of(run.rows_over_1pct)},
          {"rows_over_5pct", json_of(run.rows_over_5pct)},
          {"rows_over_20pct", json_of(run.rows_over_20pct)}};
}

// An infinite number becomes null.
Json certificate_json(const Certificate& c) {
  return {{"rows", c.rows},
          {"share", c.share},
          {"confidence", c.confidence},
          {"largest_row_error", c.largest_row_error},
          {"largest_row_error_to_rms", c.largest_row_error_to_rms},
          {"rel_fro", c.rel_fro}};
}

Json report_json(const RunRecord& run) {
  return {{"peak_extra_bytes", json_of(run.peak_extra_bytes)},
          {"fallback_rows", json_of(run.fallback_rows)},
          {"negative_rows", json_of(run.negative_rows)},
          {"scored_entries", json_of(run.scored_entries)},
          {"exact_heads", run.exact_heads},
          {"estimated_error", json_of(run.estimated_error)},
          {"error_bound", json_of(run.error_bound)},
          {"recall", json_of(run.recall)},
          {"path", run.path.empty() ? Json(nullptr) : Json(run.path)}};
}

Json run_json(const RunRecord& run) {
  Json json{{"method", run.method}, {"input", run.input}};
  json["head"] = run.head < 0 ? Json("all") : Json(run.head);
  for (const Json& part :
       {size_json(run.size), time_json(run), error_json(run), report_json(run)}) {
    json.update(part);
  }
  json["converted"] = run.converted;
  json["certificate"] = run.certificate ? certificate_json(*run.certificate) : Json(nullptr);
  return json;
}

}  // namespace

const char* pass_name(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::backward:
      return "backward";
    case Pass::both:
      return "both";
    case Pass::decode:
      break;
  }
  return "decode";
}

ProblemSize size_of(const Problem& problem, Pass pass) {
  ProblemSize size;
  size.batch = problem.query.batch();
  size.heads = problem.query.heads();
  size.kv_heads = problem.key.heads();
  size.queries = problem.query.length();
  size.seq = problem.key.length();
  size.head_dim = problem.query.channels();
  size.value_dim = problem.value.channels();
  size.causal = problem.causal;
  size.dtype = problem.key.dtype;
  size.pass = pass;
  return size;
}

double nominal_flops(const ProblemSize& size) {
  const double matrices = static_cast<double>(size.batch * size.heads) * visible_scores(size);
  const double d = static_cast<double>(size.head_dim), dv = static_cast<double>(size.value_dim);
  const double forward = d + dv, backward = 3 * d + 2 * dv;
  if (size.pass == Pass::both) return 2 * matrices * (forward + backward);
  return 2 * matrices * (size.pass == Pass::backward ? backward : forward);
}

double cache_bytes(const ProblemSize& size) {
  return static_cast<double>(size.batch * size.kv_heads * size.seq *
                             (size.head_dim + size.value_dim) * subquad::size_of(size.dtype));
}

MachineRecord machine_record(int threads) {
  const BuildInfo info = build_info();
  MachineRecord machine;
  machine.threads = threads > 0 ? threads : info.threads;
  machine.isa = info.isa;
  machine.processor = processor_name();
  return machine;
}

nlohmann::ordered_json to_json(const MachineRecord& machine, const std::vector<RunRecord>& runs) {
  Json list = Json::array();
  for (const RunRecord& run : runs) list.push_back(run_json(run));
  const Json machine_json{
      {"fma_gflops", json_of(machine.fma_gflops)},
      {"read_gbps", json_of(machine.read_gbps)},
      {"threads", machine.threads},
      {"isa", machine.isa},
      {"processor", machine.processor.empty() ? Json(nullptr) : Json(machine.processor)}};
  return {{"machine", machine_json}, {"runs", list}};
}

void add_times(RunRecord& run, const std::vector<double>& seconds,
               const std::vector<double>& exact_seconds) {
  run.median_s = median(seconds);
  run.exact_median_s = median(exact_seconds);
  run.speedup_over_exact = *run.exact_median_s / *run.median_s;
  run.repeats = std::ssize(seconds);
  run.speed = compare_speed(run.path, seconds, exact_seconds);
  if (const auto spread = spread_of(seconds)) {
    run.time_low_s = spread->low;
    run.time_high_s = spread->high;
  }
}

void add_report(RunRecord& run, const Report& report) {
  run.path = report.path;
  run.peak_extra_bytes = report.peak_extra_bytes;
  run.fallback_rows = report.fallback_rows;
  run.negative_rows = report.negative_rows;
  run.scored_entries = report.scored_entries;
  run.exact_heads = report.exact_heads;
  if (!std::isnan(report.estimated_error)) run.estimated_error = report.estimated_error;
  if (!std::isnan(report.recall)) run.recall = report.recall;
  if (report.certificate.rows > 0) run.certificate = report.certificate;
}

}  // namespace subquad::cli
