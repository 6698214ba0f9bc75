#include "vit_predictions.h"

#include <fmt/format.h>

#include <cmath>

#include "csv.h"

namespace subquad::cli {
namespace {

constexpr std::size_t columns = 5;

std::string answer_cells(const std::vector<vit::Answer>& answers) {
  std::string text;
  for (std::size_t i = 0; i < columns; ++i) {
    const bool known = i < answers.size() && std::isfinite(answers[i].probability);
    text += known ? fmt::format(",{},{:.6g}", answers[i].label, answers[i].probability) : ",,";
  }
  return text;
}

std::string line(const VitRun& run, const Prediction& prediction, const vit::ImageFolder& folder) {
  const auto file = static_cast<std::size_t>(prediction.file);
  const std::string label = folder.labels.empty() ? "" : fmt::format("{}", folder.labels[file]);
  return fmt::format("{},{},{},{},{:g}{}\n", csv_cell(folder.names[file]), label,
                     csv_cell(run.method), run.layers, run.temperature,
                     answer_cells(prediction.answers));
}

}  // namespace

std::string predictions_csv(const VitOutcome& outcome, const vit::ImageFolder& folder) {
  std::string text = "file,label,method,layers,temperature";
  for (std::size_t i = 1; i <= columns; ++i) text += fmt::format(",class{0},probability{0}", i);
  text += "\n";
  for (std::size_t i = 0; i < outcome.runs.front().predictions.size(); ++i)
    for (const VitRun& run : outcome.runs) text += line(run, run.predictions[i], folder);
  return text;
}

}  // namespace subquad::cli
