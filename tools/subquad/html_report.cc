#include "html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "error_time_plot.h"
#include "html_style.h"
#include "markup.h"
#include "number_text.h"
#include "text_table.h"

namespace subquad::cli {
namespace {

constexpr double good_error = 0.05;

std::string cell(const std::string& text) { return "<td>" + escaped(text) + "</td>"; }

// A spec may break after each part.
std::string breakable(const std::string& spec) {
  std::string html;
  for (const char c : escaped(spec)) {
    html += c;
    if (c == '+') html += "<wbr>";
  }
  return html;
}

std::string table_head() {
  std::string html = "<tr><th>method, and the path that ran</th>";
  for (const char* name : {"time", "speed-up", "extra memory", "rel. Frobenius", "max / |V|max",
                           "operator", "rows &gt; 1 %", "rows &gt; 5 %", "rows &gt; 20 %"}) {
    html += fmt::format("<th class='n'>{}</th>", name);
  }
  return html + "</tr>\n";
}

std::string table_row(const RunRecord& run, std::size_t series) {
  const std::string dot = run.method == "exact" ? "" : fmt::format(" s{}", series % 8);
  std::string html = fmt::format(
      "<tr><td class='spec'><span class='dot{}'></span><div>{}<br><small>{}</small>"
      "</div></td>",
      dot, breakable(run.method), breakable(run.path));
  for (const std::string& text :
       {seconds_text(run.median_s), speedup_text(run.speedup_over_exact),
        bytes_text(run.peak_extra_bytes), error_text(run.rel_fro), error_text(run.max_over_vmax),
        error_text(run.op_rel), percent_text(run.rows_over_1pct), percent_text(run.rows_over_5pct),
        percent_text(run.rows_over_20pct)}) {
    html += cell(text);
  }
  return html + "</tr>\n";
}

std::vector<RunRecord> overall(const Comparison& comparison) {
  std::vector<RunRecord> runs;
  for (const RunRecord& run : comparison.runs) {
    if (run.head < 0) runs.push_back(run);
  }
  return runs;
}

std::string table(const Comparison& comparison) {
  std::string html = "<div class='scroll'><table>\n" + table_head();
  std::size_t series = 0;
  for (const RunRecord& run : overall(comparison)) {
    html += table_row(run, series);
    if (run.method != "exact") ++series;
  }
  return html + "</table></div>\n";
}

std::string head_rows(const Comparison& comparison, const std::string& method) {
  std::string html;
  for (const RunRecord& run : comparison.runs) {
    if (run.head >= 0 && run.method == method) {
      html += fmt::format("<tr><td class='spec'>head {}</td>", run.head);
      for (const Number& error : {run.rel_fro, run.max_over_vmax, run.op_rel}) {
        html += cell(error_text(error));
      }
      for (const Number& share : {run.rows_over_1pct, run.rows_over_5pct, run.rows_over_20pct}) {
        html += cell(percent_text(share));
      }
      html += "</tr>\n";
    }
  }
  return html;
}

std::string head_details(const Comparison& comparison) {
  std::string html = "<details><summary>Errors of each head</summary><div class='scroll'><table>\n";
  html +=
      "<tr><th>method</th><th class='n'>rel. Frobenius</th><th class='n'>max / |V|max</th>"
      "<th class='n'>operator</th><th class='n'>rows &gt; 1 %</th><th class='n'>rows &gt; 5 %</th>"
      "<th class='n'>rows &gt; 20 %</th></tr>\n";
  for (const RunRecord& run : overall(comparison)) {
    if (run.method == "exact") continue;
    html += fmt::format("<tr><th class='spec' colspan='7'>{}</th></tr>\n", escaped(run.method));
    html += head_rows(comparison, run.method);
  }
  return html + "</table></div></details>\n";
}

std::string times_text(const RunRecord& run) {
  return fmt::format("<code>{}</code>, {:.3g}× the speed of exact, error {}", escaped(run.method),
                     run.speedup_over_exact.value_or(0), error_text(run.rel_fro));
}

// The sentence a reader wants first: what does the best trade give here?
std::string verdict(const Comparison& comparison) {
  const RunRecord *fastest = nullptr, *closest = nullptr;
  for (const RunRecord& run : comparison.runs) {
    if (run.head >= 0 || !run.rel_fro) continue;
    if (closest == nullptr || *run.rel_fro < *closest->rel_fro) closest = &run;
    if (*run.rel_fro > good_error) continue;
    if (fastest == nullptr || *run.median_s < *fastest->median_s) fastest = &run;
  }
  if (closest == nullptr) return "No errors were measured.";
  if (fastest == nullptr) {
    return "No method here is within 0.05 relative error. Closest: " + times_text(*closest) + ".";
  }
  const bool slower = fastest->speedup_over_exact.value_or(1) < 1;
  return fmt::format("{} within 0.05 relative error: {}.",
                     slower ? "Exact is the fastest here; next" : "Fastest", times_text(*fastest));
}

std::string picture(const Comparison& comparison) {
  std::vector<PlotPoint> points;
  for (const RunRecord& run : overall(comparison)) {
    if (run.method == "exact") continue;
    points.push_back({run.method, run.median_s.value_or(0), run.rel_fro.value_or(NAN)});
  }
  return "<figure>\n<div class='scroll'>\n" +
         error_time_svg(points, comparison.runs.front().median_s.value_or(1)) +
         "</div><figcaption>Lower and further left is better. The dashed line is exact attention."
         "</figcaption></figure>\n";
}

std::string section(const Comparison& comparison) {
  const RunRecord& exact = comparison.runs.front();
  std::string html = fmt::format("<section>\n<h2>{}</h2>\n",
                                 escaped(std::filesystem::path(comparison.input).filename()));
  if (comparison.synthetic) {
    html +=
        "<p class='synthetic'>Synthetic data: planted clusters, sinks and a local band, "
        "not a real layer.</p>\n";
  }
  if (!comparison.description.empty()) {
    html += fmt::format("<p class='note'>{}</p>\n", escaped(comparison.description));
  }
  html += fmt::format(
      "<p class='note'>{} (from: {}), scale {:.4g}. Exact runs at {:.0f} GFLOP/s, {} of this "
      "machine's FMA limit ({:.0f} GFLOP/s) measured in the same run.</p>\n<p>{}</p>\n",
      escaped(size_text(comparison.size)), escaped(comparison.causal_from), comparison.scale,
      exact.gflops.value_or(0), percent_text(exact.fraction_of_fma), comparison.fma_gflops,
      verdict(comparison));
  return html + picture(comparison) + table(comparison) + head_details(comparison) + "</section>\n";
}

std::string introduction(const MachineRecord& machine, const std::string& command_line) {
  return fmt::format(
      "<h1>Exact and approximate attention, side by side</h1>\n"
      "<p>Machine: {} threads, instruction set {}, FMA limit {:.0f} GFLOP/s (f32, measured). Times "
      "are "
      "medians of rounds in which exact and every method take turns. Errors compare f32 outputs "
      "with "
      "exact attention: <b>rel. Frobenius</b> is |approx − exact|<sub>F</sub> / "
      "|exact|<sub>F</sub>; <b>max</b> the largest error over the largest |V|; <b>operator</b> is "
      "|approx − exact|<sub>op</sub> / (|softmax|<sub>op</sub> |V|<sub>op</sub>); "
      "<b>rows &gt; x</b> the share of query rows with a relative error above x.</p>\n"
      "<p>Made by</p>\n<pre>{}</pre>\n",
      machine.threads, escaped(machine.isa), machine.fma_gflops.value_or(0), escaped(command_line));
}

}  // namespace

std::string html_report(const std::vector<Comparison>& comparisons, const MachineRecord& machine,
                        const std::string& command_line) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<meta name='color-scheme' content='light dark'>\n<title>subquad compare</title>\n"
      "<style>\n{}</style>\n</head>\n<body>\n<main>\n",
      html_style);
  html += introduction(machine, command_line);
  for (const Comparison& comparison : comparisons) html += section(comparison);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace subquad::cli
