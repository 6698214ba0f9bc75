#include "kernel_sums/kernel_call.h"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/threads.h"
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

}  // namespace

void check_kernel_problem(const KernelProblem& p) {
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

Shape4 kernel_out_shape(const KernelProblem& p) {
  return {p.query.batch(), p.query.heads(), p.query.length(), p.value.channels()};
}

std::vector<Region> kernel_inputs(const KernelProblem& p) {
  return {region_of("query", p.query), region_of("key", p.key), region_of("value", p.value)};
}

void check_kernel_out(const KernelProblem& p, const MutableTensorView& out) {
  check_target("out", out, kernel_out_shape(p));
  check_apart(std::vector<Region>{region_of("out", out)}, kernel_inputs(p));
}

void check_kernel_options(const Options& options) {
  check_threads(options.threads);
  if (!options.given.empty()) throw_invalid("given: kernel sums take no given masks");
}

void check_kernel_heads(const KernelProblem& problem) {
  const std::int64_t heads = problem.query.heads(), count = problem.query.batch() * heads;
  if (count < 2) return;
  for (std::int64_t i = 0; i < count; ++i) load_kernel_head(problem, i / heads, i % heads);
}

void OutRows::store(std::int64_t row, const float* numbers, float factor) const {
  char* place =
      static_cast<char*>(view_.data) + view_.offset(batch_, head_, row) * size_of(view_.dtype);
  kernels::store_row(numbers, view_.channels(), factor, view_.dtype, place);
}

void OutRows::fill(const std::vector<std::int64_t>& rows, float number) const {
  const std::vector<float> numbers(static_cast<std::size_t>(view_.channels()), number);
  for (const std::int64_t row : rows) store(row, numbers.data());
}

}  // namespace subquad
