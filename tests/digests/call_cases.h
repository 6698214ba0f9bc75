// The rest of the public interface: kernel sums, linear states, HyperAttention's algorithms,
// probes, certificates, measures.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "digests/digest.h"
#include "digests/run_case.h"
#include "digests/scenes.h"
#include "digests/table.h"
#include "subquad/attention_metrics.h"
#include "subquad/certificate.h"
#include "subquad/hyper.h"
#include "subquad/kernel_sums.h"
#include "subquad/linear_attention.h"
#include "subquad/measure.h"
#include "subquad/probe.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

struct DigestCase {
  std::string name;
  std::function<CaseDigests(int threads)> run;
};

inline CaseDigests kernel_digests(const std::string& scene_name, double bandwidth,
                                  const std::string& spec, int threads) {
  const OwnedProblem& owned = scene_named(scene_name).owned;
  TensorBuffer out(owned.query.type(), owned.out_shape());
  const KernelReport r =
      kernel_sums({owned.query.view(), owned.key.view(), owned.value.view(), bandwidth}, spec,
                  {out.mutable_view()}, {threads, 5, {}});
  Digest results, report;
  results.add(out);
  report.add(std::string_view(r.path));
  for (const std::int64_t count : {r.rows, r.scored_entries, r.opened_entries}) report.add(count);
  report.add(r.estimated_error);
  return {results.value(), 0, report.value()};
}

// A prompt, then step by step.
inline CaseDigests linear_digests(const std::string& scene_name, FeatureMap map, int threads) {
  const OwnedProblem& owned = scene_named(scene_name).owned;
  const Shape4 &q = owned.query.shape(), &k = owned.key.shape();
  LinearState state({q[0], k[1], k[3], owned.value.shape()[3], map, {}});
  TensorBuffer out(DType::f32, owned.out_shape());
  const auto part = [](auto view, std::int64_t begin, std::int64_t count) {
    using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(view.data)>>,
                                    const char, char>;
    view.data = static_cast<Byte*>(view.data) + begin * view.stride[2] * size_of(view.dtype);
    view.shape[2] = count;
    return view;
  };
  std::int64_t negative = 0, done = 0;
  for (const std::int64_t step : {q[2] - 3, std::int64_t{1}, std::int64_t{2}}) {
    state.append(part(owned.key.view(), done, step), part(owned.value.view(), done, step), threads);
    negative += state.attend(part(owned.query.view(), done, step),
                             part(out.mutable_view(), done, step), threads);
    done += step;
  }
  Digest results, report;
  results.add(out);
  for (const double sum : state.sums()) results.add(sum);
  report.add(negative);
  return {results.value(), 0, report.value()};
}

// Gradients of the values alone, from the output's.
inline CaseDigests value_gradient_digests(const std::string& scene_name, const std::string& spec,
                                          int threads) {
  const Scene& scene = scene_named(scene_name);
  const Options options{threads, 5, scene.given};
  const ForwardResult forward = run_attend(scene, spec, options);
  TensorBuffer gradient(DType::f32, scene.owned.value.shape());
  BackwardArguments arguments;
  arguments.out = arguments.grad_out = forward.out.view();
  arguments.lse = forward.lse.view();
  arguments.grad_value = gradient.mutable_view();
  attend_backward(scene.problem(), spec, arguments, options);
  Digest gradients;
  gradients.add(gradient);
  return {0, gradients.value(), 0};
}

inline void add_heads(Digest& digest, const std::vector<ApproxDHead>& heads) {
  for (const ApproxDHead& head : heads) {
    for (const std::int64_t n : head.tau_positions) digest.add(n);
    for (const std::int64_t n : head.samples) digest.add(n);
    for (const double tau : head.log_tau) digest.add(tau);
    for (const std::int64_t n :
         {head.sequence, head.kv_head, head.capped_samples, head.floored_rows})
      digest.add(n);
  }
}

inline CaseDigests row_sum_digests(const std::string& scene_name, const ApproxDOptions& approx_d,
                                   int threads) {
  const Scene& scene = scene_named(scene_name);
  TensorBuffer sums(DType::f32, scene.owned.row_shape());
  const ApproxDReport r =
      approximate_row_sums(scene.problem(), approx_d, sums.mutable_view(), {threads, 5, {}});
  Digest results, report;
  results.add(sums);
  add_heads(results, r.heads);
  add_report(report, r.report);
  return {results.value(), 0, report.value()};
}

inline void add_samples(Digest& digest, const std::vector<SamplingMatrix>& samples) {
  for (const SamplingMatrix& sample : samples) {
    for (const std::int64_t n : sample.indices) digest.add(n);
    for (const double weight : sample.weights) digest.add(weight);
  }
}

inline CaseDigests hyper_digests(const std::string& scene_name, bool replace, int threads) {
  const Scene& scene = scene_named(scene_name);
  const OwnedProblem& owned = scene.owned;
  TensorBuffer out(owned.query.type(), owned.out_shape()), lse(DType::f32, owned.row_shape()),
      row_error(DType::f32, owned.row_shape());
  ApproxDOptions approx_d{"sortlsh(block=16)", 24, 0.5, 4, 2};
  approx_d.replace = replace;
  const HyperReport r = hyper_attention(
      scene.problem(), approx_d, {24, replace},
      {out.mutable_view(), lse.mutable_view(), row_error.mutable_view()}, {threads, 5, {}});
  Digest results, report;
  for (const TensorBuffer* tensor : {&out, &lse, &row_error}) results.add(*tensor);
  add_heads(results, r.heads);
  add_samples(results, r.samples);
  add_report(report, r.report);
  return {results.value(), 0, report.value()};
}

inline CaseDigests value_row_digests(const std::string& scene_name, bool replace, int threads) {
  Digest results;
  add_samples(results, sample_value_rows(scene_named(scene_name).problem(), {20, replace},
                                         {threads, 5, {}}));
  return {results.value(), 0, 0};
}

// What the assumptions of Theorem 1 are measured by, all in one.
inline CaseDigests probe_digests(const std::string& scene_name, int threads) {
  const Problem& problem = scene_named(scene_name).problem();
  Digest results;
  for (const std::int64_t rows : {0, 20})
    for (const Alpha& a : probe_alpha(problem, {1, rows, threads, 5})) {
      results.add(a.alpha);
      results.add(a.column);
    }
  for (const Kappa& k : probe_kappa(problem, "sortlsh(block=16)", {threads, 5})) {
    for (const double number : {k.kappa, k.log10_kappa}) results.add(number);
    for (const std::int64_t n : {k.rows, k.empty_rows, k.unresolved_rows}) results.add(n);
  }
  StableRankOptions rank_options;
  rank_options.threads = threads;
  for (const StableRank& s : probe_stable_rank(problem, rank_options)) {
    results.add(s.stable_rank);
    results.add(s.operator_norm);
  }
  return {results.value(), 0, 0};
}

inline void add_errors(Digest& digest, const std::vector<ErrorMetrics>& errors) {
  for (const ErrorMetrics& e : errors)
    for (const double number : {e.rel_fro, e.max_over_vmax, e.op_rel, e.rows_over_1pct,
                                e.rows_over_5pct, e.rows_over_20pct})
      digest.add(number);
}

// Of a sampled output against the exact one: errors, their bound, statistics of the weights.
inline CaseDigests measure_digests(const std::string& scene_name, int threads) {
  const Scene& scene = scene_named(scene_name);
  const Options options{threads, 5, {}};
  const ForwardResult exact = run_attend(scene, "exact", options);
  const ForwardResult sampled = run_attend(scene, "window(9)+uniform(m=24)", options);
  Digest results;
  MeasureOptions measure;
  measure.threads = threads;
  add_errors(results,
             measure_errors(scene.problem(), sampled.out.view(), exact.out.view(), measure));
  CertificateOptions certificate;
  certificate.rows = 40;
  certificate.threads = threads;
  add_certificate(results, certify(scene.problem(), sampled.out.view(), certificate));
  for (const std::int64_t keep : {0, 8}) {
    const AttentionStatisticsOptions statistics{keep, {}, 0, threads};
    for (const AttentionStatistics& s : attention_statistics(scene.problem(), statistics))
      results.add(s.weight_std);
  }
  return {results.value(), 0, 0};
}

// Of a picture of 10 x 7 patches, for keys as many as queries.
inline CaseDigests token_digests(const std::string& scene_name, int threads) {
  const Scene& scene = scene_named(scene_name);
  const std::int64_t tokens = scene.problem().query.length();
  std::vector<Position> positions = grid_positions(tokens / 7, 7);
  const std::int64_t leading = tokens - std::ssize(positions);
  Digest results;
  for (const double similarity : token_similarity(scene.problem().query)) results.add(similarity);
  for (const double ratio : residual_ratio(scene.problem().query, scene.problem().key))
    results.add(ratio);
  for (const AttentionStatistics& s :
       attention_statistics(scene.problem(), {0, positions, leading, threads})) {
    results.add(s.nonlocality);
    results.add(s.leading_weight);
  }
  return {results.value(), 0, 0};
}

inline void add_kernel_cases(std::vector<DigestCase>& cases) {
  const auto add = [&](const std::string& scene, double bandwidth, const std::string& spec) {
    cases.push_back({"kernel_sums " + scene + ": " + spec,
                     [=](int threads) { return kernel_digests(scene, bandwidth, spec, threads); }});
  };
  for (const char* scene : {"plain", "batch", "wide", "bf16", "clouds"}) add(scene, 2.0, "exact");
  add("sharp", 0.05, "exact");
  for (const char* spec : {"exact", "far(clusters=12,fit=16)"}) add("wild", 1e14, spec);
  for (const char* scene : {"plain", "batch", "bf16"}) add(scene, 2.0, "far(clusters=12,fit=16)");
  for (const char* spec :
       {"far(clusters=24,fit=90)", "far(clusters=24,fit=90,order=0)",
        "far(clusters=24,fit=90,order=2,cluster=kmeans)", "far(clusters=24,fit=0)",
        "far(clusters=24,fit=90,open=0.001,group=64)",
        "far(clusters=24,fit=90,error=0.001,margin=1)", "far(clusters=24,fit=90,error=0.00001)",
        "far(clusters=24,fit=90,error=0.02,margin=1,ridge=0.001,cluster=lsh)"})
    add("clouds", 4.0, spec);
}

inline void add_value_gradients(std::vector<DigestCase>& cases) {
  for (const char* spec : {"exact", "window(9)+uniform(m=24)", "window(9)+approxd(m=24)",
                           "window(9)+linear(map=elu)", "window(9)+multipole(clusters=9,fit=16)"})
    cases.push_back({std::string("grad_value alone: ") + spec, [=](int threads) {
                       return value_gradient_digests("grouped", spec, threads);
                     }});
}

inline std::vector<DigestCase> call_cases() {
  std::vector<DigestCase> cases;
  add_kernel_cases(cases);
  add_value_gradients(cases);
  const auto add = [&](const std::string& function, const std::string& scene, auto run) {
    cases.push_back({function + " " + scene, [=](int threads) { return run(scene, threads); }});
  };
  add("linear_state(none)", "causal",
      [](auto& scene, int t) { return linear_digests(scene, FeatureMap::none, t); });
  add("linear_state(elu)", "bf16",
      [](auto& scene, int t) { return linear_digests(scene, FeatureMap::elu, t); });
  add("linear_state(relu)", "odd",
      [](auto& scene, int t) { return linear_digests(scene, FeatureMap::relu, t); });
  for (const char* scene : {"grouped", "sinks", "causal-window", "packed"}) {
    add("hyper_attention", scene, [](auto& s, int t) { return hyper_digests(s, true, t); });
    add("probes", scene, probe_digests);
    add("measures", scene, measure_digests);
  }
  add("tokens", "causal", token_digests);
  add("hyper_attention(distinct)", "long",
      [](auto& scene, int t) { return hyper_digests(scene, false, t); });
  add("approximate_row_sums", "long", [](auto& scene, int t) {
    return row_sum_digests(scene, {"sortlsh(block=32)", 40}, t);
  });
  add("approximate_row_sums(no heavy)", "additive", [](auto& scene, int t) {
    return row_sum_digests(scene, {"", 30}, t);
  });
  add("sample_value_rows", "long",
      [](auto& scene, int t) { return value_row_digests(scene, true, t); });
  add("sample_value_rows(distinct)", "grouped",
      [](auto& scene, int t) { return value_row_digests(scene, false, t); });
  return cases;
}

}  // namespace subquad::testing
