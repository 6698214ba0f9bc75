// HyperAttention's Algorithms 2 and 3: approxd with its record, over heavy + light.
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/isa.h"
#include "core/threads.h"
#include "core/given_check.h"
#include "core/probe_problem.h"
#include "light/sampled/approx_d.h"
#include "light/sampled/row_norm_sample.h"
#include "methods/heavy_method.h"
#include "rows/visible_keys.h"
#include "run/call.h"
#include "run/output_checks.h"
#include "run/forward.h"
#include "subquad/error.h"
#include "subquad/hyper.h"

namespace subquad {
namespace {

// The heavy parts alone.
Method parse_heavy(const std::string& heavy, std::span<const GivenMask> given) {
  return heavy.empty() ? Method() : parse_heavy_method("heavy", heavy, given);
}

void check_sample(const SampleOptions& sample) {
  if (sample.num_samples < 1 || sample.num_samples > std::int64_t{1} << 30)
    throw_invalid(fmt::format("num_samples: {} must be 1 to 2^30", sample.num_samples));
}

Report run(Call& call, Method& method, const ApproxDRuleOptions& rule, const Outputs& outputs,
           const Options& options, ApproxDRecord& record) {
  method.light = make_approx_d_rule(rule, &record);
  method.names += method.names.empty() ? "approxd" : "+approxd";
  const SplitCounts counts = split_attention(call.heads(), method, outputs, options);
  call.report().path = method.names;
  call.report().fallback_rows = counts.fallback_rows;
  call.report().scored_entries = counts.scored_entries;
  return call.close();
}

SamplingMatrix matrix_of(const RowNormSample& sample, const IndexList& keys) {
  SamplingMatrix matrix;
  for (std::size_t i = 0; i < sample.keys.size(); ++i) {
    const auto count = static_cast<std::size_t>(sample.counts.empty() ? 1 : sample.counts[i]);
    matrix.indices.insert(matrix.indices.end(), count, keys[sample.keys[i]]);
    matrix.weights.insert(matrix.weights.end(), count, std::sqrt(sample.weights[i]));
  }
  return matrix;
}

std::vector<SamplingMatrix> sample_heads(std::span<const HeadProblem> heads,
                                         const SampleOptions& sample, const Options& options) {
  std::vector<SamplingMatrix> matrices;
  for (const HeadProblem& head : heads) {
    const VisibleKeys keys(head);
    kernels::RowSource values = head.values();
    values.ids = keys.all().ids;
    values.first = keys.all().first;
    values.count = keys.count();
    const std::vector<double> norms = squared_row_norms(values, resolved_threads(options.threads));
    matrices.push_back(matrix_of(sample_by_row_norm(norms, sample.num_samples, sample.replace,
                                                    Rng(options.seed, head.kv_head)),
                                 keys.all()));
    matrices.back().kv_head = head.kv_head;
    matrices.back().sequence =
        static_cast<std::int64_t>(matrices.size() - 1) / head.problem->key.heads();
  }
  return matrices;
}

}  // namespace

ApproxDReport approximate_row_sums(const Problem& problem, const ApproxDOptions& approx_d,
                                   const MutableTensorView& log_row_sums, const Options& options) {
  check_call(problem, options);
  check_approx_d(approx_d);
  const Shape4& q = problem.query.shape;
  check_row_target("log_row_sums", problem, log_row_sums);
  check_apart(std::vector<Region>{region_of("log_row_sums", log_row_sums)},
              inputs_of(problem, options.given));
  Method method = parse_heavy(approx_d.heavy, options.given);
  const Problem bare = without_values(problem);
  Scratch<float> zeros(q[0] * q[1] * q[2]);
  const Outputs outputs{
      dense_view(zeros.data(), DType::f32, {q[0], q[1], q[2], 1}), log_row_sums, {}};
  Call call(bare, options);
  ApproxDRecord record;
  const Report report =
      run(call, method, {.row_sums = approx_d, .with_values = false}, outputs, options, record);
  return {report, record.in_order(call.heads())};
}

std::vector<SamplingMatrix> sample_value_rows(const Problem& problem, const SampleOptions& sample,
                                              const Options& options) {
  check_call(problem, options);
  check_sample(sample);
  return sample_heads(split_heads(problem), sample, options);
}

HyperReport hyper_attention(const Problem& problem, const ApproxDOptions& approx_d,
                            const SampleOptions& sample, const Outputs& outputs,
                            const Options& options) {
  check_call(problem, options);
  check_approx_d(approx_d);
  check_sample(sample);
  check_outputs(problem, outputs, options.given);
  Method method = parse_heavy(approx_d.heavy, options.given);
  Call call(problem, options);
  ApproxDRecord record;
  const ApproxDRuleOptions rule{.row_sums = approx_d,
                                .value_samples = sample.num_samples,
                                .replace_values = sample.replace,
                                .printed = true};
  const Report report = run(call, method, rule, outputs, options, record);
  return {report, record.in_order(call.heads()), sample_heads(call.heads(), sample, options)};
}

}  // namespace subquad
