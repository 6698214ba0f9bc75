#include "subquad/kernel_sums.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/isa.h"
#include "core/threads.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_methods.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

void check_points(const char* name, const TensorView& view) {
  check_extents(name, view, "points", "last extent");
}

void check_bandwidths(const KernelProblem& p) {
  const auto check = [](const std::string& name, double bandwidth) {
    if (!(bandwidth > 0) || !std::isfinite(bandwidth))
      throw_invalid(fmt::format("{} {} must be positive and finite", name, bandwidth));
  };
  if (p.bandwidths.empty()) return check("bandwidth:", p.bandwidth);
  check_equal("bandwidths", "count", std::ssize(p.bandwidths), "query (last extent)",
              p.query.channels());
  if (p.bandwidth != 0)
    throw_invalid(
        fmt::format("bandwidth: {}, but bandwidths are given; leave one of them out", p.bandwidth));
  for (std::size_t c = 0; c < p.bandwidths.size(); ++c)
    check(fmt::format("bandwidths: entry {},", c), p.bandwidths[c]);
}

void check_problem(const KernelProblem& p) {
  check_points("query", p.query);
  check_points("key", p.key);
  check_points("value", p.value);
  for (const auto& [name, view] : {std::pair{"key", &p.key}, std::pair{"value", &p.value}}) {
    check_equal(name, "batch", view->batch(), "query", p.query.batch());
    check_equal(name, "number of heads", view->heads(), "query", p.query.heads());
  }
  check_equal("key", "last extent", p.key.channels(), "query", p.query.channels());
  check_equal("value", "length", p.value.length(), "key", p.key.length());
  check_bandwidths(p);
}

Shape4 out_shape(const KernelProblem& p) {
  return {p.query.batch(), p.query.heads(), p.query.length(), p.value.channels()};
}

void check_out(const KernelProblem& p, const MutableTensorView& out) {
  check_target("out", out, out_shape(p));
  check_apart(std::vector<Region>{region_of("out", out)},
              std::vector<Region>{region_of("query", p.query), region_of("key", p.key),
                                  region_of("value", p.value)});
}

void check_options(const Options& options) {
  check_threads(options.threads);
  if (!options.given.empty()) throw_invalid("given: kernel sums take no given masks");
}

void store(const MutableTensorView& out, std::int64_t offset, const float* row,
           float factor = 1.0f) {
  kernels::store_row(row, out.channels(), factor, out.dtype,
                     static_cast<char*>(out.data) + offset * size_of(out.dtype));
}

void write_head(const KernelHead& head, const float* sums, const MutableTensorView& out,
                std::int64_t batch, std::int64_t index) {
  const auto fill = [&](const std::vector<std::int64_t>& rows, float number) {
    const std::vector<float> row(static_cast<std::size_t>(head.channels), number);
    for (const std::int64_t r : rows) store(out, out.offset(batch, index, r), row.data());
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t i = 0; i < head.num_queries; ++i)
    store(out, out.offset(batch, index, head.row_of[static_cast<std::size_t>(i)]),
          sums + i * head.channels, std::ldexp(1.0f, head.value_shift));
  fill(head.nan_rows, nan);
  fill(head.zero_rows, 0);
  if (!head.nan_key) return;
  fill(head.row_of, nan);
  fill(head.zero_rows, nan);
}

KernelRecord run_head(const KernelHead& head, const ChosenKernelMethod& method, float* out,
                      const Rng& rng, int threads) {
  if (head.nan_key) return {std::string(method.name)};
  return method.run(head, out, rng, threads);
}

void join(KernelReport& report, const KernelRecord& run) {
  // The first head's path, unless another says more.
  if (run.path.size() > report.path.size()) report.path = run.path;
  report.scored_entries += run.entries;
  report.opened_entries += run.opened_entries;
  if (std::isnan(report.estimated_error) || std::isnan(run.error))
    report.estimated_error = std::numeric_limits<double>::quiet_NaN();
  else
    report.estimated_error = std::max(report.estimated_error, run.error);
}

}  // namespace

KernelReport kernel_sums(const KernelProblem& problem, std::string_view spec,
                         const KernelOutputs& outputs, const Options& options) {
  ensure_isa();
  check_problem(problem);
  check_out(problem, outputs.out);
  check_options(options);
  const ChosenKernelMethod method = read_kernel_method(spec);
  const int threads = resolved_threads(options.threads);
  MemoryMeter meter;
  const MeterScope scope(&meter);
  KernelReport report;
  report.estimated_error = 0;
  const std::int64_t batch = problem.query.batch(), heads = problem.query.heads();
  // Errors in the points of a later head come before anything is written.
  if (batch * heads > 1)
    for (std::int64_t i = 0; i < batch * heads; ++i)
      load_kernel_head(problem, i / heads, i % heads);
  for (std::int64_t i = 0; i < batch * heads; ++i) {
    const KernelHead head = load_kernel_head(problem, i / heads, i % heads);
    Scratch<float> sums(head.num_queries * head.channels);
    join(report, run_head(head, method, sums.data(), Rng(options.seed, i % heads), threads));
    write_head(head, sums.data(), outputs.out, i / heads, i % heads);
    report.rows += problem.query.length();
  }
  if (report.path.empty()) report.path = method.name;
  report.peak_extra_bytes = meter.peak();
  return report;
}

}  // namespace subquad
