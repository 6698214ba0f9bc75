#include "lm_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "error_time_plot.h"
#include "html_page.h"
#include "html_table.h"
#include "loss_plot.h"
#include "markup.h"
#include "number_text.h"

namespace subquad::cli {
namespace {

constexpr std::size_t stretches = 32;

using Runs = std::vector<const PerplexityRun*>;

// All but the one that the others are compared with.
Runs others(const std::vector<PerplexityRun>& runs, const PerplexityRun& exact) {
  Runs rest;
  for (const PerplexityRun& run : runs)
    if (&run != &exact) rest.push_back(&run);
  return rest;
}

// Perplexity over exact's, less 1.
double excess(const PerplexityRun& run, const PerplexityRun& exact) {
  return run.perplexity() / exact.perplexity() - 1;
}

std::string excess_text(const PerplexityRun& run, const PerplexityRun& exact) {
  return fmt::format("{:+.2f} %", 100 * excess(run, exact));
}

std::string speed_text(double exact_s, double own_s) {
  return fmt::format("{:.2f}x", exact_s / own_s);
}

std::string time_picture(const Runs& runs, const PerplexityRun& exact) {
  std::vector<PlotPoint> points;
  for (const PerplexityRun* run : runs) {
    const double s = run->counts.attention_s;
    points.push_back({run->method, s, s, s, std::max(excess(*run, exact), 0.0)});
  }
  return error_time_svg(points, exact.counts.attention_s,
                        {"perplexity over exact's, less 1", "time in attention, milliseconds",
                         "Perplexity against time in attention"});
}

std::string position_picture(const Runs& runs, const PerplexityRun& exact) {
  std::vector<LossCurve> curves;
  for (const PerplexityRun* run : runs) {
    std::vector<double> nats(exact.log_probability);
    for (std::size_t i = 0; i < nats.size(); ++i) nats[i] -= run->log_probability[i];
    curves.push_back({run->method, stretch_means(nats, stretches)});
  }
  return loss_svg(curves, std::ssize(exact.log_probability) + 1);
}

std::string legend(const Runs& runs, const PerplexityRun& exact) {
  std::string html = "<ol class='legend'>\n";
  for (std::size_t i = 0; i < runs.size(); ++i)
    html += fmt::format(
        "<li>{}<div>{}<br><small>perplexity {:.4g} ({}), {} in attention"
        "</small></div></li>\n",
        chip(i + 1), html_code(runs[i]->method), runs[i]->perplexity(),
        excess_text(*runs[i], exact), seconds_text(runs[i]->counts.attention_s));
  return html + "</ol>\n";
}

std::string figure(const std::string& svg, const std::string& key, const std::string& caption) {
  return "<figure>\n<div class='picture'>\n" + svg + key +
         fmt::format("</div>\n<figcaption>{}</figcaption></figure>\n", escaped(caption));
}

std::string pictures(const Runs& runs, const PerplexityRun& exact) {
  if (runs.empty()) return {};
  const std::string key = legend(runs, exact);
  return "<section>\n<h2>Perplexity against time</h2>\n" +
         figure(time_picture(runs, exact), key,
                "Lower and further left is better. The dashed line is exact attention; one run "
                "each. A method that predicts no worse than exact is on the lower edge.") +
         "</section>\n<section>\n<h2>Where in the text</h2>\n" +
         figure(position_picture(runs, exact), key,
                fmt::format("What each method adds to -log p of a token, in the mean over one of "
                            "{} stretches of the text. The dashed line is exact attention.",
                            std::min(stretches, exact.log_probability.size()))) +
         "</section>\n";
}

std::string cell(const char* column, const std::string& text) {
  return fmt::format("<td data-name='{}'>{}</td>", column, escaped(text));
}

std::string row(const PerplexityRun& run, const PerplexityRun& exact, std::size_t number) {
  const auto &own = run.counts, &base = exact.counts;
  return fmt::format(
             "<tr><td class='spec'><div class='named'>{}<div>{}<br><small>{}</small></div></div>"
             "</td>",
             chip(number), breakable(run.method),
             breakable(fmt::format("{}", fmt::join(own.paths, "|")))) +
         cell("perplexity", fmt::format("{:.4f}", run.perplexity())) +
         cell("over exact", excess_text(run, exact)) +
         cell("attention", seconds_text(own.attention_s)) +
         cell("speed-up", speed_text(base.attention_s, own.attention_s)) +
         cell("total", seconds_text(own.total_s)) +
         cell("speed-up", speed_text(base.total_s, own.total_s)) + "</tr>\n";
}

std::string table(const Runs& runs, const PerplexityRun& exact) {
  std::string html =
      "<section>\n<h2>Numbers</h2>\n<table class='methods'>\n<thead><tr><th>method, and the path "
      "that ran</th><th class='n'>perplexity</th><th class='n'>over exact</th><th class='n'>"
      "attention</th><th class='n'>speed-up</th><th class='n'>total</th><th class='n'>speed-up"
      "</th></tr></thead>\n<tbody>\n";
  html += row(exact, exact, 0);
  for (std::size_t i = 0; i < runs.size(); ++i) html += row(*runs[i], exact, i + 1);
  return html +
         "</tbody></table>\n<p class='note'>Perplexity: exp of the mean of -log p over the "
         "predictions. Attention: all layers. Total: from tokens to log-probabilities.</p>\n"
         "</section>\n";
}

std::string facts(const PerplexityPage& page, const PerplexityRun& exact) {
  namespace fs = std::filesystem;
  return "<dl class='facts'>\n" + machine_facts(page.machine) +
         html_fact("Model", fs::path(page.model).filename().string()) +
         html_fact("Text", fmt::format("{}, {} tokens after {} characters",
                                       fs::path(page.text.path).filename().string(),
                                       exact.log_probability.size() + 1, page.text.skip_chars)) +
         html_fact("Layers with the method", page.layers) + "</dl>\n";
}

}  // namespace

std::string perplexity_page(const std::vector<PerplexityRun>& runs, const PerplexityRun& exact,
                            const PerplexityPage& page) {
  const Runs rest = others(runs, exact);
  return html_page("subquad lm perplexity",
                   "<h1>A language model with exact and with other attention</h1>\n" +
                       facts(page, exact) +
                       fmt::format("<pre>{}</pre>\n", escaped(page.command_line)) +
                       pictures(rest, exact) + table(rest, exact));
}

}  // namespace subquad::cli
