#include "comparison.h"

#include <algorithm>
#include <cmath>

#include "buffer.h"
#include "certificate_text.h"
#include "contenders.h"
#include "subquad/info.h"
#include "subquad/measure.h"

namespace subquad::cli {
namespace {

std::vector<std::string> contender_names(const std::vector<std::string>& methods) {
  std::vector<std::string> names{"exact"};
  for (const std::string& method : methods) {
    if (std::find(names.begin(), names.end(), method) == names.end()) names.push_back(method);
  }
  return names;
}

// f32 outputs: the errors are to be the method's own, not those of the storage type.
std::vector<Buffer> make_outputs(const Problem& problem, std::size_t count) {
  Shape4 shape = problem.query.shape;
  shape[3] = problem.value.channels();
  return std::vector<Buffer>(count, Buffer(shape, DType::f32));
}

std::vector<Contender> make_contenders(const Problem& problem,
                                       const std::vector<std::string>& names,
                                       std::vector<Buffer>& outputs, const Options& options) {
  std::vector<Contender> contenders;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Outputs out{outputs[i].view(), {}, {}};
    auto run = [&problem, spec = names[i], out, options] {
      return attend(problem, spec, out, options);
    };
    contenders.push_back({names[i], run, {}, {}});
  }
  return contenders;
}

Number measured(double value) { return std::isnan(value) ? Number() : Number(value); }

RunRecord timed_record(const Contender& contender, const Contender& exact,
                       const Comparison& result) {
  RunRecord run;
  run.method = contender.label;
  run.input = result.input;
  run.converted = result.converted;
  run.size = result.size;
  run.exact_rows = result.size.queries;
  add_report(run, contender.report);
  add_times(run, contender.seconds, exact.seconds);
  return run;
}

void add_rates(RunRecord& run, double fma_gflops) {
  run.gflops = nominal_flops(run.size) / *run.median_s / 1e9;
  run.fraction_of_fma = *run.gflops / fma_gflops;
}

void add_errors(RunRecord& run, const ErrorMetrics& metrics) {
  run.rel_fro = measured(metrics.rel_fro);
  run.max_over_vmax = measured(metrics.max_over_vmax);
  run.op_rel = measured(metrics.op_rel);
  run.rows_over_1pct = measured(metrics.rows_over_1pct);
  run.rows_over_5pct = measured(metrics.rows_over_5pct);
  run.rows_over_20pct = measured(metrics.rows_over_20pct);
}

// What a single head has of its own: errors. Times and memory are those of all heads together.
RunRecord head_record(const RunRecord& all, const ErrorMetrics& metrics) {
  RunRecord run;
  run.method = all.method;
  run.input = all.input;
  run.converted = all.converted;
  run.size = all.size;
  run.path = all.path;
  run.seeds = all.seeds;
  run.head = metrics.head;
  add_errors(run, metrics);
  return run;
}

void add_method(RunRecord all, const std::vector<ErrorMetrics>& errors, Comparison& result) {
  for (const ErrorMetrics& metrics : errors) {
    if (metrics.head < 0) add_errors(all, metrics);
  }
  result.runs.push_back(all);
  for (const ErrorMetrics& metrics : errors) {
    if (metrics.head >= 0) result.runs.push_back(head_record(all, metrics));
  }
}

Comparison describe(const Layer& layer) {
  Comparison result;
  result.input = layer.input;
  result.description = layer.description;
  result.causal_from = layer.causal_from;
  result.synthetic = layer.synthetic;
  result.converted = layer.converted;
  result.size = size_of(layer.problem, Pass::forward);
  result.scale = resolved_scale(layer.problem);
  return result;
}

std::vector<Yardstick> fma_yardstick(int threads) {
  return {{[threads] { return measure_fma_gflops(threads, 0.1); }, {}}};
}

MeasureOptions measure_options(const Problem& problem, const CompareSettings& settings,
                               std::vector<double>& norms) {
  MeasureOptions options;
  options.operator_norm = settings.operator_norm;
  options.threads = settings.run.threads;
  if (options.operator_norm) norms = softmax_norms(problem, options);
  // A norm that is no number is nothing to start from: the measures then compute it again.
  const bool finite =
      std::all_of(norms.begin(), norms.end(), [](double x) { return std::isfinite(x); });
  if (finite) options.norms = norms;
  return options;
}

// The smallest and the largest relative error over the seeds, of all heads together.
void add_error_range(RunRecord& run, const std::vector<std::vector<ErrorMetrics>>& by_seed) {
  std::vector<double> errors;
  for (const auto& metrics : by_seed)
    for (const ErrorMetrics& m : metrics)
      if (m.head < 0 && !std::isnan(m.rel_fro)) errors.push_back(m.rel_fro);
  if (errors.size() < 2) return;
  const auto [low, high] = std::minmax_element(errors.begin(), errors.end());
  run.rel_fro_low = *low;
  run.rel_fro_high = *high;
}

// Each metric's median over the seeds, head by head.
std::vector<ErrorMetrics> median_errors(const std::vector<std::vector<ErrorMetrics>>& by_seed) {
  std::vector<ErrorMetrics> medians = by_seed.front();
  const auto take = [&](double ErrorMetrics::*metric) {
    for (std::size_t i = 0; i < medians.size(); ++i) {
      std::vector<double> values;
      for (const auto& errors : by_seed) values.push_back(errors[i].*metric);
      medians[i].*metric = median(values);
    }
  };
  for (const auto metric : {&ErrorMetrics::rel_fro, &ErrorMetrics::max_over_vmax,
                            &ErrorMetrics::op_rel, &ErrorMetrics::rows_over_1pct,
                            &ErrorMetrics::rows_over_5pct, &ErrorMetrics::rows_over_20pct})
    take(metric);
  return medians;
}

// `output` holds the result of the first seed; the others are run here.
std::vector<std::vector<ErrorMetrics>> errors_of_seeds(const Layer& layer,
                                                       const CompareSettings& settings,
                                                       const std::string& method,
                                                       const Buffer& exact, Buffer& output,
                                                       const MeasureOptions& measure) {
  std::vector<std::vector<ErrorMetrics>> by_seed;
  const Buffer& result = output;
  for (int s = 0; s < settings.seeds; ++s) {
    Options run = settings.run;
    run.seed += static_cast<std::uint64_t>(s);
    if (s > 0) attend(layer.problem, method, {output.view(), {}, {}}, run);
    by_seed.push_back(measure_errors(layer.problem, result.view(), exact.view(), measure));
  }
  return by_seed;
}

void record_runs(const Layer& layer, const CompareSettings& settings,
                 const std::vector<Contender>& contenders, std::vector<Buffer>& outputs,
                 Comparison& result, Progress& progress) {
  const Contender& exact = contenders.front();
  result.runs.push_back(timed_record(exact, exact, result));
  add_rates(result.runs.back(), result.fma_gflops);
  progress.step("norm of the softmax matrix");
  std::vector<double> norms;
  const MeasureOptions measure = measure_options(layer.problem, settings, norms);
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    progress.step("errors of " + contenders[i].label);
    RunRecord record = timed_record(contenders[i], exact, result);
    record.seeds = settings.seeds;
    if (settings.certify > 0)
      record.certificate =
          certificate_of(layer.problem, outputs[i], settings.certify, settings.run);
    const auto by_seed =
        errors_of_seeds(layer, settings, contenders[i].label, outputs[0], outputs[i], measure);
    add_error_range(record, by_seed);
    add_method(record, median_errors(by_seed), result);
  }
}

}  // namespace

Comparison compare_layer(const Layer& layer, const CompareSettings& settings, Progress& progress) {
  const std::vector<std::string> names = contender_names(settings.methods);
  std::vector<Buffer> outputs = make_outputs(layer.problem, names.size());
  std::vector<Contender> contenders = make_contenders(layer.problem, names, outputs, settings.run);
  Comparison result = describe(layer);
  result.seed = settings.run.seed;
  result.seeds = settings.seeds;
  std::vector<Yardstick> yardsticks = fma_yardstick(machine_record(settings.run.threads).threads);
  progress.expect(static_cast<int>(2 * names.size()));
  warm_up(contenders, progress);
  run_rounds(contenders, yardsticks, settings.repeats, settings.budget_s, progress);
  result.fma_gflops = highest(yardsticks.front().values);
  record_runs(layer, settings, contenders, outputs, result, progress);
  return result;
}

}  // namespace subquad::cli
