#include "html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "certificate_text.h"
#include "error_time_plot.h"
#include "html_page.h"
#include "html_table.h"
#include "markup.h"
#include "number_text.h"
#include "text_table.h"
#include "verdict.h"

namespace subquad::cli {
namespace {

std::vector<PlotPoint> points_of(const std::vector<RunRecord>& runs) {
  std::vector<PlotPoint> points;
  for (const RunRecord& run : runs) {
    if (run.method == "exact") continue;
    const double median = run.median_s.value_or(0);
    points.push_back({run.method, median, run.time_low_s.value_or(median),
                      run.time_high_s.value_or(median), run.rel_fro.value_or(NAN)});
  }
  return points;
}

// What the numbers in the picture stand for.
std::string legend(const std::vector<RunRecord>& runs) {
  std::string html = "<ol class='legend'>\n";
  for (std::size_t i = 1; i < runs.size(); ++i)
    html += fmt::format("<li>{}<div>{}<br><small>error {}, {}, {}</small></div></li>\n", chip(i),
                        html_code(runs[i].method), error_text(runs[i].rel_fro),
                        seconds_text(runs[i].median_s), speedup_text(runs[i]));
  return html + "</ol>\n";
}

std::string picture(const Comparison& comparison) {
  const std::vector<RunRecord> runs = overall(comparison);
  const std::vector<PlotPoint> points = points_of(runs);
  std::string caption =
      "Lower and further left is better. The dashed line is exact attention, a bar the spread of "
      "the rounds.";
  if (std::any_of(points.begin(), points.end(), on_lower_edge))
    caption += " Errors below 1e-7 are on the lower edge.";
  return "<figure>\n<div class='picture'>\n" +
         error_time_svg(points, runs.front().median_s.value_or(1)) + legend(runs) +
         fmt::format("</div>\n<figcaption>{}</figcaption></figure>\n", caption);
}

std::string certificates(const Comparison& comparison) {
  std::string html;
  for (const RunRecord& run : comparison.runs)
    if (run.certificate)
      html += fmt::format("<li>{}: {}</li>\n", html_code(run.method),
                          escaped(certificate_text(*run.certificate)));
  if (html.empty()) return {};
  return fmt::format("<h3>Certificates, of seed {}</h3>\n<ul class='certificates'>\n{}</ul>\n",
                     comparison.seed, html);
}

std::string origin(const Comparison& comparison) {
  std::string html;
  if (comparison.synthetic) {
    html +=
        "<p class='synthetic'>Synthetic data: planted clusters, sinks and a local band, "
        "not a real layer.</p>\n";
  }
  if (!comparison.description.empty()) {
    html += fmt::format("<p class='note'>{}</p>\n", escaped(comparison.description));
  }
  return html;
}

std::string section(const Comparison& comparison) {
  const RunRecord& exact = comparison.runs.front();
  std::string html = fmt::format("<section>\n<h2>{}</h2>\n",
                                 breakable(std::filesystem::path(comparison.input).filename()));
  html += origin(comparison);
  html += fmt::format(
      "<p class='note'>{} (from: {}), scale {:.4g}. Exact runs at {:.0f} GFLOP/s, {} of this "
      "machine's FMA limit ({:.0f} GFLOP/s) measured in the same run.<br>{}.</p>\n"
      "<p class='verdict'>{}</p>\n",
      escaped(size_text(comparison.size)), escaped(comparison.causal_from), comparison.scale,
      exact.gflops.value_or(0), percent_text(exact.fraction_of_fma), comparison.fma_gflops,
      rounds_text(comparison), verdict(comparison, html_code));
  return html + picture(comparison) + methods_table(comparison) + certificates(comparison) +
         heads_table(comparison) + "</section>\n";
}

std::string seeds_text(const Comparison& comparison) {
  if (comparison.seeds == 1) return fmt::format("{}", comparison.seed);
  return fmt::format("{} ({} to {})", comparison.seeds, comparison.seed,
                     comparison.seed + static_cast<std::uint64_t>(comparison.seeds - 1));
}

std::string facts(const std::vector<Comparison>& comparisons, const MachineRecord& machine) {
  return "<dl class='facts'>\n" + machine_facts(machine) +
         html_fact("FMA limit, f32, measured",
                   fmt::format("{:.0f} GFLOP/s", machine.fma_gflops.value_or(0))) +
         html_fact("Seeds of the errors", seeds_text(comparisons.front())) + "</dl>\n";
}

constexpr char explanation[] =
    "<p>Times are medians of rounds in which exact and every method take turns, below them the "
    "fastest and the slowest round (from 8 rounds on the middle half of them). {} <b>= exact</b> "
    "marks those, <b>~</b> what is within the noise.</p>\n"
    "<p>Errors compare f32 outputs with exact attention and are medians over the seeds, below "
    "them the smallest and the largest: <b>rel. Frobenius</b> is |approx − exact|<sub>F</sub> / "
    "|exact|<sub>F</sub>; <b>max</b> the largest error over the largest |V|; <b>operator</b> is "
    "|approx − exact|<sub>op</sub> / (|softmax|<sub>op</sub> |V|<sub>op</sub>); "
    "<b>rows &gt; x</b> the share of query rows with a relative error above x.</p>\n";

std::string introduction(const std::vector<Comparison>& comparisons, const MachineRecord& machine,
                         const std::string& command_line) {
  return "<h1>Exact and approximate attention, side by side</h1>\n" + facts(comparisons, machine) +
         fmt::format("<pre>{}</pre>\n", escaped(command_line));
}

// How to read the numbers: after the results, for those who ask.
std::string notes() {
  return "<section class='notes'>\n<h2>How to read this</h2>\n" +
         fmt::format(explanation, escaped(speed_rule)) + "</section>\n";
}

}  // namespace

std::string html_report(const std::vector<Comparison>& comparisons, const MachineRecord& machine,
                        const std::string& command_line) {
  std::string body = introduction(comparisons, machine, command_line);
  for (const Comparison& comparison : comparisons) body += section(comparison);
  return html_page("subquad compare", body + notes());
}

}  // namespace subquad::cli
