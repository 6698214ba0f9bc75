#include "bench_case.h"

#include <fmt/format.h>

#include <algorithm>

#include "gaussian.h"
#include "query_slices.h"
#include "subset_errors.h"
#include "subquad/error.h"
#include "subquad/info.h"

namespace subquad::cli {
namespace {

// Memory for one problem. Backward parts stay empty otherwise.
struct Workspace {
  Problem problem;
  Buffer out, lse, grad_out, grad_query, grad_key, grad_value;
  std::int64_t first_row = 0;  // of a slice
};

Shape4 out_shape(const Problem& problem) {
  Shape4 shape = problem.query.shape;
  shape[3] = problem.value.channels();
  return shape;
}

bool has_backward(Pass pass) { return pass == Pass::backward || pass == Pass::both; }

Workspace make_workspace(const Problem& problem, Pass pass) {
  Shape4 rows = problem.query.shape;
  rows[3] = 1;
  Workspace work{
      problem, Buffer(out_shape(problem), DType::f32), Buffer(rows, DType::f32), {}, {}, {}, {}, 0};
  if (has_backward(pass)) {
    work.grad_out = gaussian_buffer(out_shape(problem), DType::f32, 1, 3);
    work.grad_query = Buffer(problem.query.shape, DType::f32);
    work.grad_key = Buffer(problem.key.shape, DType::f32);
    work.grad_value = Buffer(problem.value.shape, DType::f32);
  }
  return work;
}

Report run_forward(Workspace& work, const std::string& method, const Options& options) {
  return attend(work.problem, method, {work.out.view(), work.lse.view(), {}}, options);
}

Report run_backward(Workspace& work, const std::string& method, const Options& options) {
  BackwardArguments arguments;
  arguments.out = as_const(work.out.view());
  arguments.lse = as_const(work.lse.view());
  arguments.grad_out = as_const(work.grad_out.view());
  arguments.grad_query = work.grad_query.view();
  arguments.grad_key = work.grad_key.view();
  arguments.grad_value = work.grad_value.view();
  return attend_backward(work.problem, method, arguments, options);
}

void sum_reports(Report& total, const Report& part) {
  total.path = part.path;
  total.rows += part.rows;
  total.fallback_rows += part.fallback_rows;
  total.negative_rows += part.negative_rows;
  total.scored_entries += part.scored_entries;
  total.peak_extra_bytes = std::max(total.peak_extra_bytes, part.peak_extra_bytes);
}

Report run_pass(Workspace& work, Pass pass, const std::string& method, const Options& options) {
  if (pass == Pass::backward) return run_backward(work, method, options);
  Report report = run_forward(work, method, options);
  if (pass == Pass::both) {
    const std::int64_t rows = report.rows, fallback_rows = report.fallback_rows;
    sum_reports(report, run_backward(work, method, options));
    report.rows = rows;  // the same ones again
    report.fallback_rows = fallback_rows;
  }
  return report;
}

// The run over a case: exact's pieces first, then one workspace for each method.
struct Bench {
  Pass pass;
  Options options;
  std::deque<Workspace> exact;
  std::deque<Workspace> methods;
  std::vector<Contender> contenders;
};

Report run_exact(Bench& bench) {
  Report total;
  for (Workspace& work : bench.exact)
    sum_reports(total, run_pass(work, bench.pass, "exact", bench.options));
  return total;
}

void add_exact(Bench& bench, const Problem& problem, std::int64_t rows) {
  for (const QuerySlice& slice : query_slices(problem, rows)) {
    bench.exact.push_back(make_workspace(slice.problem, bench.pass));
    bench.exact.back().first_row = slice.first;
    if (bench.pass == Pass::backward) run_forward(bench.exact.back(), "exact", bench.options);
  }
  bench.contenders.push_back({"exact", [&bench] { return run_exact(bench); }, {}, {}});
}

void add_methods(Bench& bench, const Problem& problem, const std::vector<std::string>& methods) {
  for (const std::string& method : methods) {
    if (method == "exact") continue;
    bench.methods.push_back(make_workspace(problem, bench.pass));
    if (bench.pass == Pass::backward) run_forward(bench.methods.back(), method, bench.options);
    auto run = [&work = bench.methods.back(), method, &bench] {
      return run_pass(work, bench.pass, method, bench.options);
    };
    bench.contenders.push_back({method, run, {}, {}});
  }
}

std::vector<Yardstick> make_yardsticks(Pass pass, int threads) {
  std::vector<Yardstick> yardsticks{{[threads] { return measure_fma_gflops(threads, 0.1); }, {}}};
  if (pass == Pass::decode) {
    yardsticks.push_back({[threads] { return measure_read_gbps(threads, 0.2); }, {}});
  }
  return yardsticks;
}

void add_exact_rates(RunRecord& run, const BenchResult& result) {
  run.gflops = nominal_flops(run.size) / *run.median_s / 1e9;
  run.fraction_of_fma = *run.gflops / *result.fma_gflops;
  if (run.size.pass != Pass::decode) return;
  run.read_gbps = cache_bytes(run.size) / *run.median_s / 1e9;
  run.fraction_of_read = *run.read_gbps / *result.read_gbps;
}

std::int64_t exact_rows(const Bench& bench) {
  std::int64_t rows = 0;
  for (const Workspace& work : bench.exact) rows += work.problem.query.length();
  return rows;
}

// The times of exact on all rows, from the rows that ran.
std::vector<double> exact_seconds(const Bench& bench, const ProblemSize& size) {
  const auto rows = static_cast<double>(std::max<std::int64_t>(exact_rows(bench), 1));
  std::vector<double> seconds = bench.contenders.front().seconds;
  for (double& s : seconds) s *= static_cast<double>(size.queries) / rows;
  return seconds;
}

RunRecord make_record(const Bench& bench, const Contender& contender, const Layer& layer) {
  RunRecord run;
  run.method = contender.label;
  run.input = layer.input;
  run.converted = layer.converted;
  run.size = size_of(layer.problem, bench.pass);
  run.exact_rows = exact_rows(bench);
  add_report(run, contender.report);
  const std::vector<double> exact = exact_seconds(bench, run.size);
  const bool is_exact = &contender == &bench.contenders.front();
  add_times(run, is_exact ? exact : contender.seconds, exact);
  return run;
}

// A method's outputs on the rows that exact ran on.
std::vector<SliceOutputs> outputs_of(const Bench& bench, const Workspace& method) {
  std::vector<SliceOutputs> outputs;
  for (const Workspace& slice : bench.exact) {
    const std::int64_t last = slice.first_row + slice.problem.query.length();
    outputs.push_back(
        {&slice.problem, row_range(method.out.view(), slice.first_row, last), slice.out.view()});
  }
  return outputs;
}

BenchResult collect(const Bench& bench, const Layer& layer, const BenchSettings& settings,
                    const std::vector<Yardstick>& yardsticks) {
  BenchResult result;
  result.fma_gflops = highest(yardsticks.front().values);
  if (yardsticks.size() > 1) result.read_gbps = median(yardsticks.back().values);
  for (std::size_t i = 0; i < bench.contenders.size(); ++i) {
    RunRecord run = make_record(bench, bench.contenders[i], layer);
    if (i == 0) add_exact_rates(run, result);
    if (i > 0 && settings.errors)
      add_errors(run, outputs_of(bench, bench.methods[i - 1]), settings.run.threads);
    result.runs.push_back(run);
  }
  return result;
}

}  // namespace

Layer gaussian_layer(const ProblemSize& size, std::uint64_t seed) {
  Layer layer;
  layer.input = "gaussian";
  layer.causal_from = "command line";
  layer.problem.causal = size.causal;
  const auto make = [&](std::int64_t heads, std::int64_t n, std::int64_t d, std::uint32_t stream) {
    const auto buffer = std::make_shared<const Buffer>(
        gaussian_buffer({size.batch, heads, n, d}, size.dtype, seed, stream));
    layer.storage.push_back(buffer);
    return buffer->view();
  };
  layer.problem.query = make(size.heads, size.queries, size.head_dim, 0);
  layer.problem.key = make(size.kv_heads, size.seq, size.head_dim, 1);
  layer.problem.value = make(size.kv_heads, size.seq, size.value_dim, 2);
  validate(layer.problem);
  return layer;
}

void keep_last_queries(Layer& layer, std::int64_t queries) {
  Problem& problem = layer.problem;
  const std::int64_t length = problem.query.length();
  if (queries > length) {
    throw_invalid(fmt::format("--queries {}: {} has {}", queries, layer.input, length));
  }
  if (problem.causal == Causal::top_left) {
    if (length != problem.key.length()) {
      throw_invalid("--pass decode: a top_left layer needs as many queries as keys");
    }
    problem.causal = Causal::bottom_right;
  }
  problem.query = row_range(problem.query, length - queries, length);
}

BenchResult run_bench_case(const Layer& layer, Pass pass, const BenchSettings& settings,
                           Progress& progress) {
  Bench bench{pass, settings.run, {}, {}, {}};
  add_exact(bench, layer.problem, settings.exact_rows);
  add_methods(bench, layer.problem, settings.methods);
  std::vector<Yardstick> yardsticks =
      make_yardsticks(pass, machine_record(settings.run.threads).threads);
  progress.expect(static_cast<int>(bench.contenders.size()));
  warm_up(bench.contenders, progress);
  run_rounds(bench.contenders, yardsticks, settings.repeats, settings.budget_s, progress);
  return collect(bench, layer, settings, yardsticks);
}

}  // namespace subquad::cli
