#include "vit_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "csv.h"
#include "number_text.h"
#include "plain_text.h"
#include "text_table.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t shown_complaints = 10;

double share(std::int64_t part, std::int64_t all) {
  return static_cast<double>(part) / static_cast<double>(all);
}

double mean_kl(const VitRun& run) {
  return run.agreement.kl / static_cast<double>(run.agreement.images);
}

std::string path_of(const VitRun& run) { return fmt::format("{}", fmt::join(run.paths, "|")); }

Json answers_json(const VitRun& run, bool has_labels) {
  const vit::Agreement& a = run.agreement;
  Json json{{"images", a.images}};
  json["top1"] = has_labels ? Json(share(a.top1, a.images)) : Json(nullptr);
  json["top5"] = has_labels ? Json(share(a.top5, a.images)) : Json(nullptr);
  json["top1_images"] = has_labels ? Json(a.top1) : Json(nullptr);
  json["top5_images"] = has_labels ? Json(a.top5) : Json(nullptr);
  json["agree_top1"] = share(a.same_top1, a.images);
  json["logit_kl"] = std::isfinite(mean_kl(run)) ? Json(mean_kl(run)) : Json(nullptr);
  return json;
}

// The folder's part of a record.
Json pictures_json(const VitOutcome& outcome, const VitFolder& input) {
  return {{"unreadable", std::ssize(outcome.complaints)},
          {"left_out", input.folder.left_out},
          {"labels_from", outcome.has_labels ? Json(input.folder.labels_from) : Json(nullptr)}};
}

Json run_json(const VitRun& run, const VitOutcome& outcome, const VitFolder& input) {
  Json json{{"method", run.method},           {"input", input.path},
            {"layers", run.layers},           {"replaced", run.replaced},
            {"temperature", run.temperature}, {"resolution", outcome.resolution},
            {"seq", outcome.tokens},          {"batch", outcome.batch}};
  json.update(answers_json(run, outcome.has_labels));
  json.update(pictures_json(outcome, input));
  json["attention_s"] = run.attention_s;
  json["total_s"] = run.total_s;
  json["exact_attention_s"] = outcome.runs.front().attention_s;
  json["exact_total_s"] = outcome.runs.front().total_s;
  json["fallback_rows"] = run.fallback_rows;
  json["negative_rows"] = run.negative_rows;
  json["exact_heads"] = run.exact_heads;
  json["scored_entries"] = run.scored_entries;
  json["path"] = path_of(run);
  return json;
}

std::string answers_text(std::int64_t right, const VitRun& run, bool has_labels) {
  return has_labels ? fmt::format("{}/{}", right, run.agreement.images) : "-";
}

std::vector<std::string> table_row(const VitRun& run, const VitOutcome& outcome) {
  const vit::Agreement& a = run.agreement;
  const std::string layers =
      run.temperature == 1 ? run.layers : fmt::format("{} T={:g}", run.layers, run.temperature);
  return {answers_text(a.top1, run, outcome.has_labels),
          answers_text(a.top5, run, outcome.has_labels),
          percent_text(share(a.same_top1, a.images)),
          error_text(mean_kl(run)),
          seconds_text(run.attention_s),
          seconds_text(run.total_s),
          layers,
          fmt::format("{}  [{}]", run.method, path_of(run))};
}

std::string cell(double value) { return std::isnan(value) ? "" : fmt::format("{:.6g}", value); }

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::string block_lines(const VitRun& run, std::size_t b) {
  const vit::BlockMetrics& block = run.metrics[b];
  const std::string start =
      fmt::format("{},{},{:g},{}", csv_cell(run.method), run.layers, run.temperature, b);
  std::string text = fmt::format("{},all,{},{},{},{},{},{}\n", start, cell(block.token_similarity),
                                 cell(block.residual_attention), cell(block.residual_mlp),
                                 cell(mean_of(block.weight_std)), cell(mean_of(block.nonlocality)),
                                 cell(mean_of(block.class_weight)));
  for (std::size_t h = 0; h < block.weight_std.size(); ++h)
    text += fmt::format("{},{},,,,{},{},{}\n", start, h, cell(block.weight_std[h]),
                        cell(block.nonlocality[h]), cell(block.class_weight[h]));
  return text;
}

std::string folder_text(const VitOutcome& outcome, const VitFolder& input) {
  std::string text;
  if (!outcome.complaints.empty())
    text += fmt::format("unreadable: {} of {} pictures, left out\n", outcome.complaints.size(),
                        input.folder.files.size());
  if (input.folder.left_out > 0)
    text += fmt::format("left out: {} files of {} that are hidden or no .jpg, .jpeg or .png\n",
                        input.folder.left_out, input.path);
  return text + fmt::format("labels: {}\n", input.folder.labels_from);
}

}  // namespace

nlohmann::ordered_json to_json(const MachineRecord& machine, const VitOutcome& outcome,
                               const VitFolder& input) {
  Json json = to_json(machine, std::vector<RunRecord>{});
  for (const VitRun& run : outcome.runs) json["runs"].push_back(run_json(run, outcome, input));
  return json;
}

std::string complaints_text(const VitOutcome& outcome) {
  std::string text;
  const std::size_t count = outcome.complaints.size(), shown = std::min(count, shown_complaints);
  for (std::size_t i = 0; i < shown; ++i)
    text += fmt::format("subquad: warning: left out: {}\n", plain_text(outcome.complaints[i]));
  if (shown < count)
    text += fmt::format("subquad: warning: left out: {} more pictures\n", count - shown);
  return text;
}

std::string vit_text(const VitOutcome& outcome, const VitFolder& input) {
  std::vector<std::vector<std::string>> rows{
      {"top 1", "top 5", "agree", "logit KL", "attention", "total", "layers", "method [path]"}};
  for (const VitRun& run : outcome.runs) rows.push_back(table_row(run, outcome));
  return fmt::format("{} pictures at {} x {} (n = {}), {} at once\n",
                     outcome.runs.front().agreement.images, outcome.resolution, outcome.resolution,
                     outcome.tokens, outcome.batch) +
         aligned_text(rows) + folder_text(outcome, input);
}

std::string metrics_csv(const VitOutcome& outcome) {
  std::string text =
      "method,layers,temperature,block,head,token_similarity,residual_attention,residual_mlp,"
      "attention_std,nonlocality,class_weight\n";
  for (const VitRun& run : outcome.runs)
    for (std::size_t b = 0; b < run.metrics.size(); ++b) text += block_lines(run, b);
  return text;
}

}  // namespace subquad::cli
