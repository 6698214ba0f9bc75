#include "text_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "certificate_text.h"
#include "names.h"
#include "number_text.h"
#include "verdict.h"

namespace subquad::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string method_text(const RunRecord& run) {
  if (run.head >= 0) return fmt::format("  head {}", run.head);
  return run.path.empty() ? run.method : fmt::format("{}  [{}]", run.method, run.path);
}

// Of the rounds, against their median.
std::string spread_text(const RunRecord& run) {
  if (!run.time_low_s || !run.time_high_s) return "-";
  return fmt::format("{:.0f} %", 100 * (*run.time_high_s - *run.time_low_s) / *run.median_s);
}

std::vector<std::string> comparison_row(const RunRecord& run) {
  return {seconds_text(run.median_s),
          spread_text(run),
          speedup_text(run),
          bytes_text(run.peak_extra_bytes),
          error_text(run.rel_fro),
          error_text(run.max_over_vmax),
          error_text(run.op_rel),
          percent_text(run.rows_over_1pct),
          percent_text(run.rows_over_5pct),
          percent_text(run.rows_over_20pct),
          method_text(run)};
}

std::string exact_text(const Comparison& comparison) {
  const RunRecord& exact = comparison.runs.front();
  return fmt::format("exact: {:.0f} GFLOP/s, {} of the machine's {:.0f} GFLOP/s (f32 FMA)",
                     exact.gflops.value_or(0), percent_text(exact.fraction_of_fma),
                     comparison.fma_gflops);
}

std::vector<std::string> bench_row(const RunRecord& run) {
  const bool decode = run.size.pass == Pass::decode;
  const Number rate = decode ? run.read_gbps : run.gflops;
  return {
      seconds_text(run.median_s),
      rate ? fmt::format("{:.1f}", *rate) : "-",
      percent_text(decode ? run.fraction_of_read : run.fraction_of_fma),
      speedup_text(run),
      bytes_text(run.peak_extra_bytes),
      error_text(run.rel_fro),
      fmt::format("{} ({})  {}", pass_name(run.size.pass), size_text(run.size), method_text(run))};
}

}  // namespace

std::string aligned_text(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c + 1 < row.size(); ++c) {
      text += fmt::format("{:>{}}  ", row[c], widths[c]);
    }
    text += row.back() + "\n";
  }
  return text;
}

std::string size_text(const ProblemSize& size) {
  std::string text = size.batch > 1 ? fmt::format("batch {}, ", size.batch) : "";
  text += fmt::format("{} heads", size.heads);
  if (size.kv_heads != size.heads) text += fmt::format(" over {} kv heads", size.kv_heads);
  if (size.queries != size.seq) text += fmt::format(", {} queries", size.queries);
  text += fmt::format(", n = {}, d = {}", size.seq, size.head_dim);
  if (size.value_dim != size.head_dim) text += fmt::format(" (values {})", size.value_dim);
  return text + fmt::format(", {}, causal {}", name_of(size.dtype), causal_name(size.causal));
}

std::string comparison_text(const Comparison& comparison, bool per_head) {
  std::string text =
      fmt::format("{}{}\n", comparison.synthetic ? "SYNTHETIC DATA: " : "", comparison.input);
  if (!comparison.description.empty()) text += "  " + comparison.description + "\n";
  text += fmt::format("  {} (from: {}), scale {:.4g}\n  {}\n", size_text(comparison.size),
                      comparison.causal_from, comparison.scale, exact_text(comparison));
  Rows rows{{"time", "spread", "speed-up", "extra mem", "rel Fro", "max/|V|", "op rel", "rows>1%",
             "rows>5%", "rows>20%", "method [path]"}};
  for (const RunRecord& run : comparison.runs) {
    if (per_head || run.head < 0) rows.push_back(comparison_row(run));
  }
  text += aligned_text(rows);
  text += fmt::format("{}\n{}\n", rounds_text(comparison),
                      verdict(comparison, [](const std::string& method) { return method; }));
  for (const RunRecord& run : comparison.runs) {
    if (run.certificate) {
      text += fmt::format("{}: {}\n", run.method, certificate_text(*run.certificate));
    }
  }
  return text;
}

std::string bench_text(const std::vector<RunRecord>& runs, const MachineRecord& machine) {
  std::string text = fmt::format("{} threads, {}", machine.threads, machine.isa);
  if (machine.fma_gflops) text += fmt::format(", FMA limit {:.0f} GFLOP/s", *machine.fma_gflops);
  if (machine.read_gbps) text += fmt::format(", read limit {:.1f} GB/s", *machine.read_gbps);
  const bool decode = machine.read_gbps.has_value();
  Rows rows{{"time", decode ? "GFLOP/s|GB/s" : "GFLOP/s", "of limit", "speed-up", "extra mem",
             "rel Fro", "run"}};
  for (const RunRecord& run : runs) rows.push_back(bench_row(run));
  return text + "\n" + aligned_text(rows);
}

}  // namespace subquad::cli
