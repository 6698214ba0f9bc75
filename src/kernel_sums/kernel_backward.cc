#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/isa.h"
#include "core/threads.h"
#include "kernel_sums/kernel_call.h"
#include "kernel_sums/kernel_gradients.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

void check_gradient(const char* name, const MutableTensorView& view, const TensorView& of,
                    std::vector<Region>& written) {
  if (view.empty()) return;
  check_target(name, view, of.shape);
  check_f32(name, view);
  written.push_back(region_of(name, view));
}

void check_arguments(const KernelProblem& p, const KernelBackwardArguments& a) {
  check_shape("grad_out", a.grad_out, kernel_out_shape(p));
  std::vector<Region> read = kernel_inputs(p), written;
  read.push_back(region_of("grad_out", a.grad_out));
  check_gradient("grad_query", a.grad_query, p.query, written);
  check_gradient("grad_key", a.grad_key, p.key, written);
  check_gradient("grad_value", a.grad_value, p.value, written);
  if (!a.grad_bandwidth.empty()) {
    check_span("grad_bandwidth", a.grad_bandwidth);
    const auto count = p.bandwidths.empty() ? std::int64_t{1} : std::ssize(p.bandwidths);
    check_equal("grad_bandwidth", "count", std::ssize(a.grad_bandwidth),
                p.bandwidths.empty() ? "bandwidth" : "bandwidths", count);
    written.push_back(region_of("grad_bandwidth", std::span<const double>(a.grad_bandwidth)));
  }
  check_apart(written, read);
}

// The gradient of one head's sums, rows in the head's order.
class HeadGradients {
 public:
  HeadGradients(const KernelProblem& problem, const KernelBackwardArguments& arguments,
                std::int64_t batch, std::int64_t index, int threads, std::uint64_t seed)
      : problem_(problem),
        arguments_(arguments),
        batch_(batch),
        index_(index),
        threads_(threads),
        rng_(seed, index),
        head_(load_kernel_head(problem, batch, index)),
        grad_out_(head_.num_queries * head_.channels) {
    for (std::int64_t i = 0; i < head_.num_queries; ++i) {
      const std::int64_t row = head_.row_of[static_cast<std::size_t>(i)];
      const TensorView& view = arguments.grad_out;
      const char* place = static_cast<const char*>(view.data) +
                          view.offset(batch, index, row) * size_of(view.dtype);
      kernels::load_rows({place, view.dtype, 0, head_.channels, nullptr, 0, 1}, 1.0f,
                         grad_out_.data() + i * head_.channels, head_.channels, head_.channels);
    }
  }

  std::int64_t run() {
    std::int64_t entries = 0;
    if (!arguments_.grad_query.empty() || !arguments_.grad_bandwidth.empty()) entries += queries();
    if (!arguments_.grad_key.empty() || !arguments_.grad_value.empty()) entries += keys();
    return entries;
  }

 private:
  KernelSide query_side() const {
    return {head_.queries.data(), grad_out_.data(), head_.num_queries};
  }
  KernelSide key_side() const { return {head_.keys.data(), head_.values.data(), head_.num_keys}; }
  bool has_pairs() const { return head_.num_queries > 0 && head_.num_keys > 0; }
  double value_factor() const { return std::ldexp(1.0, head_.value_shift); }

  std::int64_t queries() {
    Scratch<double> moves(arguments_.grad_query.empty() ? 0 : head_.num_queries * head_.dim);
    std::ranges::fill(moves.span(), 0.0);
    std::vector<double> squares(arguments_.grad_bandwidth.empty() ? 0 : head_.scales.size());
    if (has_pairs())
      side_gradients(head_.scales, head_.channels, query_side(), key_side(),
                     {nullptr, moves.size() > 0 ? moves.data() : nullptr,
                      squares.empty() ? nullptr : squares.data()},
                     rng_, threads_);
    if (!arguments_.grad_query.empty()) {
      const OutRows out(arguments_.grad_query, batch_, index_);
      write_moves(moves, head_.row_of, out, head_.has_nan_key());
      fill(out, head_.nan_rows, kNoNumber);
      fill(out, head_.zero_rows, head_.has_nan_key() ? kNoNumber : 0);
    }
    add_bandwidths(squares);
    return head_.num_queries * head_.num_keys;
  }

  std::int64_t keys() {
    Scratch<float> sums(arguments_.grad_value.empty() ? 0 : head_.num_keys * head_.channels);
    Scratch<double> moves(arguments_.grad_key.empty() ? 0 : head_.num_keys * head_.dim);
    std::ranges::fill(sums.span(), 0.0f);
    std::ranges::fill(moves.span(), 0.0);
    if (has_pairs())
      side_gradients(head_.scales, head_.channels, key_side(), query_side(),
                     {sums.size() > 0 ? sums.data() : nullptr,
                      moves.size() > 0 ? moves.data() : nullptr, nullptr},
                     rng_, threads_);
    const bool nan_query = !head_.nan_rows.empty();
    if (!arguments_.grad_key.empty()) {
      const OutRows out(arguments_.grad_key, batch_, index_);
      write_moves(moves, head_.key_of, out, nan_query);
      fill(out, head_.nan_keys, problem_.query.length() > 0 ? kNoNumber : 0);
      fill(out, head_.infinite_keys, nan_query ? kNoNumber : 0);
    }
    if (!arguments_.grad_value.empty()) {
      const OutRows out(arguments_.grad_value, batch_, index_);
      for (std::int64_t k = 0; k < head_.num_keys; ++k)
        out.store(head_.key_of[static_cast<std::size_t>(k)], sums.data() + k * head_.channels);
      if (nan_query) fill(out, head_.key_of, kNoNumber);
      fill(out, head_.nan_keys, problem_.query.length() > 0 ? kNoNumber : 0);
      fill(out, head_.infinite_keys, nan_query ? kNoNumber : 0);
    }
    return head_.num_queries * head_.num_keys;
  }

  static void fill(const OutRows& out, const std::vector<std::int64_t>& rows, double number) {
    out.fill(rows, static_cast<float>(number));
  }

  // From scaled coordinates to the problem's.
  void write_moves(const Scratch<double>& moves, const std::vector<std::int64_t>& places,
                   const OutRows& out, bool all_nan) const {
    std::vector<float> row(static_cast<std::size_t>(head_.dim));
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (std::size_t c = 0; c < row.size(); ++c) {
        const double unit = std::numbers::ln2 * value_factor() *
                            std::ldexp(double{head_.scales[c]}, head_.point_shift[c]);
        row[c] = static_cast<float>(
            all_nan ? kNoNumber : unit * moves[static_cast<std::int64_t>(i * row.size() + c)]);
      }
      out.store(places[i], row.data());
    }
  }

  void add_bandwidths(const std::vector<double>& squares) const {
    const bool nan = (head_.has_nan_key() && problem_.query.length() > 0) ||
                     (!head_.nan_rows.empty() && problem_.key.length() > 0);
    for (std::size_t c = 0; c < squares.size(); ++c) {
      const bool one = problem_.bandwidths.empty();
      const double bandwidth = one ? problem_.bandwidth : problem_.bandwidths[c];
      arguments_.grad_bandwidth[one ? 0 : c] +=
          nan ? kNoNumber : std::numbers::ln2 * value_factor() * squares[c] / bandwidth;
    }
  }

  const KernelProblem& problem_;
  const KernelBackwardArguments& arguments_;
  std::int64_t batch_, index_;
  int threads_;
  Rng rng_;
  KernelHead head_;
  Scratch<float> grad_out_;
};

}  // namespace

KernelReport kernel_sums_backward(const KernelProblem& problem,
                                  const KernelBackwardArguments& arguments,
                                  const Options& options) {
  ensure_isa();
  check_kernel_problem(problem);
  check_arguments(problem, arguments);
  check_kernel_options(options);
  check_kernel_heads(problem);
  const int threads = resolved_threads(options.threads);
  MemoryMeter meter;
  const MeterScope scope(&meter);
  KernelReport report;
  report.path = "exact";
  report.estimated_error = report.error_bound = 0;
  std::ranges::fill(arguments.grad_bandwidth, 0.0);
  const std::int64_t heads = problem.query.heads();
  for (std::int64_t i = 0; i < problem.query.batch() * heads; ++i) {
    HeadGradients head(problem, arguments, i / heads, i % heads, threads, options.seed);
    report.scored_entries += head.run();
    report.rows += problem.query.length();
  }
  report.opened_entries = report.scored_entries;
  report.peak_extra_bytes = meter.peak();
  return report;
}

}  // namespace subquad
