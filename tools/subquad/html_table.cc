#include "html_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "markup.h"
#include "number_text.h"

namespace subquad::cli {
namespace {

// A cell with the column's name for the cards; `small` below the text.
std::string cell(const std::string& column, const std::string& text,
                 const std::string& small = {}) {
  std::string html = fmt::format("<td data-name='{}'>{}", column, escaped(text));
  if (!small.empty()) html += fmt::format("<br><small>{}</small>", escaped(small));
  return html + "</td>";
}

std::string range_text(const std::string& low, const std::string& high) {
  return low == high ? low : low + " – " + high;
}

std::string time_range(const RunRecord& run) {
  if (!run.time_low_s || !run.time_high_s) return {};
  return range_text(seconds_text(run.time_low_s), seconds_text(run.time_high_s));
}

std::string error_range(const RunRecord& run) {
  if (!run.rel_fro_low || !run.rel_fro_high) return {};
  return range_text(error_text(run.rel_fro_low), error_text(run.rel_fro_high));
}

bool has_operator_norm(const Comparison& comparison) {
  return std::any_of(comparison.runs.begin(), comparison.runs.end(),
                     [](const RunRecord& run) { return run.op_rel.has_value(); });
}

struct Column {
  const char* name;
  std::string (*html)(const char* name, const RunRecord& run);
};

const Column time_columns[] = {
    {"time",
     [](const char* name, const RunRecord& run) {
       return cell(name, seconds_text(run.median_s), time_range(run));
     }},
    {"speed-up",
     [](const char* name, const RunRecord& run) { return cell(name, speedup_text(run)); }},
    {"extra memory", [](const char* name, const RunRecord& run) {
       return cell(name, bytes_text(run.peak_extra_bytes));
     }}};

const Column operator_column{"operator", [](const char* name, const RunRecord& run) {
                               return cell(name, error_text(run.op_rel));
                             }};

const Column norm_columns[] = {{"rel. Frobenius",
                                [](const char* name, const RunRecord& run) {
                                  return cell(name, error_text(run.rel_fro), error_range(run));
                                }},
                               {"max / |V|max", [](const char* name, const RunRecord& run) {
                                  return cell(name, error_text(run.max_over_vmax));
                                }}};

const Column row_columns[] = {{"rows &gt; 1 %",
                               [](const char* name, const RunRecord& run) {
                                 return cell(name, percent_text(run.rows_over_1pct));
                               }},
                              {"rows &gt; 5 %",
                               [](const char* name, const RunRecord& run) {
                                 return cell(name, percent_text(run.rows_over_5pct));
                               }},
                              {"rows &gt; 20 %", [](const char* name, const RunRecord& run) {
                                 return cell(name, percent_text(run.rows_over_20pct));
                               }}};

using Columns = std::vector<Column>;

// The operator norm only where it was measured.
Columns error_columns(const Comparison& comparison) {
  Columns columns(std::begin(norm_columns), std::end(norm_columns));
  if (has_operator_norm(comparison)) columns.push_back(operator_column);
  columns.insert(columns.end(), std::begin(row_columns), std::end(row_columns));
  return columns;
}

std::string head_row(const char* first, const Columns& columns) {
  std::string html = fmt::format("<thead><tr><th>{}</th>", first);
  for (const Column& column : columns) html += fmt::format("<th class='n'>{}</th>", column.name);
  return html + "</tr></thead>\n";
}

std::string cells(const RunRecord& run, const Columns& columns) {
  std::string html;
  for (const Column& column : columns) html += column.html(column.name, run);
  return html + "</tr>\n";
}

}  // namespace

std::vector<RunRecord> overall(const Comparison& comparison) {
  std::vector<RunRecord> runs;
  for (const RunRecord& run : comparison.runs) {
    if (run.head < 0) runs.push_back(run);
  }
  return runs;
}

std::string breakable(const std::string& spec) {
  std::string html;
  for (const char c : escaped(spec)) {
    html += c;
    if (std::strchr("+:,_.", c) != nullptr) html += "<wbr>";
  }
  return html;
}

std::string chip(std::size_t number) {
  if (number == 0) return "<span class='chip'></span>";
  return fmt::format("<span class='chip s{}'>{}</span>", (number - 1) % 8, number);
}

std::string methods_table(const Comparison& comparison) {
  Columns columns(std::begin(time_columns), std::end(time_columns));
  const Columns errors = error_columns(comparison);
  columns.insert(columns.end(), errors.begin(), errors.end());
  std::string html = "<table class='methods'>\n" +
                     head_row("method, and the path that ran", columns) + "<tbody>\n";
  const std::vector<RunRecord> runs = overall(comparison);
  for (std::size_t i = 0; i < runs.size(); ++i)
    html += fmt::format(
                "<tr><td class='spec'><div "
                "class='named'>{}<div>{}<br><small>{}</small></div></div></td>",
                chip(i), breakable(runs[i].method), breakable(runs[i].path)) +
            cells(runs[i], columns);
  return html + "</tbody></table>\n";
}

std::string heads_table(const Comparison& comparison) {
  const Columns columns = error_columns(comparison);
  std::string html = "<details><summary>Errors of each head</summary>\n<table>\n" +
                     head_row("method", columns) + "<tbody>\n";
  for (const RunRecord& run : comparison.runs) {
    if (run.method == "exact") continue;
    const std::string name =
        run.head < 0 ? breakable(run.method) : fmt::format("head {}", run.head);
    html +=
        fmt::format("<tr{}><td class='spec'>{}</td>", run.head < 0 ? " class='group'" : "", name) +
        cells(run, columns);
  }
  return html + "</tbody></table></details>\n";
}

}  // namespace subquad::cli
