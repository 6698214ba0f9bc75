// Linear attention beside exact attention (docs/guide/linear.md): medians of times taken in turns,
// CPU times on one thread and wall times on several, as shares of what the machine's multiply-add
// rate and its memory allow; and the error against a loop in double.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/rng.h"
#include "cpu_time.h"
#include "subquad/attention.h"
#include "subquad/info.h"
#include "subquad/linear_attention.h"

namespace {

using namespace subquad;
using bench::best_seconds;

struct Arguments {
  std::vector<std::int64_t> lengths{8192, 131072};
  std::int64_t dim = 64, exact_rows = 1024;
  std::string map = "elu";
  int repeats = 5, threads = 1;
};

double seconds_now(int threads) {
  if (threads == 1) return bench::cpu_seconds();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <typename Function>
double seconds_of(int threads, const Function& function) {
  const double start = seconds_now(threads);
  function();
  return seconds_now(threads) - start;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Input {
  std::int64_t n, dim;
  std::vector<float> query, key, value, out, lse, grad;
  Problem problem;

  Input(std::int64_t length, std::int64_t head_dim)
      : n(length),
        dim(head_dim),
        query(normal(0)),
        key(normal(1)),
        value(normal(2)),
        out(value),
        lse(static_cast<std::size_t>(length)),
        grad(3 * value.size()) {
    problem.query = view(query.data());
    problem.key = view(key.data());
    problem.value = view(value.data());
  }
  Shape4 shape(std::int64_t channels) const { return {1, 1, n, channels}; }
  TensorView view(const float* data) const { return dense_view(data, DType::f32, shape(dim)); }
  MutableTensorView target(float* data, std::int64_t channels) const {
    return dense_view(static_cast<void*>(data), DType::f32, shape(channels));
  }

 private:
  std::vector<float> normal(std::int64_t stream) const {
    std::vector<float> rows;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t c = 0; c < dim; ++c)
        rows.push_back(Rng(7, stream).normal(Purpose::sample, static_cast<std::uint32_t>(i),
                                             static_cast<std::uint32_t>(c)));
    return rows;
  }
};

void run_forward(Input& input, const std::string& spec, int threads) {
  attend(input.problem, spec,
         {input.target(input.out.data(), input.dim), input.target(input.lse.data(), 1), {}},
         {.threads = threads});
}

void run_backward(Input& input, const std::string& spec, int threads) {
  BackwardArguments arguments;
  arguments.out = input.view(input.out.data());
  arguments.lse =
      dense_view(static_cast<const void*>(input.lse.data()), DType::f32, input.shape(1));
  arguments.grad_out = input.view(input.value.data());
  const std::size_t size = input.value.size();
  arguments.grad_query = input.target(input.grad.data(), input.dim);
  arguments.grad_key = input.target(input.grad.data() + size, input.dim);
  arguments.grad_value = input.target(input.grad.data() + 2 * size, input.dim);
  attend_backward(input.problem, spec, arguments, {.threads = threads});
}

// Exact attention on a few of the rows, scaled to all; a causal head has half of the entries.
double exact_seconds(const Input& input, std::int64_t rows, int threads) {
  Problem part = input.problem;
  part.query.shape[2] = rows;
  part.causal = Causal::none;
  std::vector<float> out(static_cast<std::size_t>(rows * input.dim));
  const Outputs outputs{
      dense_view(static_cast<void*>(out.data()), DType::f32, {1, 1, rows, input.dim}), {}, {}};
  const double all = static_cast<double>(input.n) / static_cast<double>(rows);
  const double visible = input.problem.causal == Causal::none ? 1.0 : 0.5;
  return seconds_of(threads, [&] { attend(part, "exact", outputs, {.threads = threads}); }) * all *
         visible;
}

double phi(const std::string& map, float x) {
  if (map == "elu") return x > 0 ? double{x} + 1 : std::exp(double{x});
  return map == "relu" ? std::max(double{x}, 0.0) : double{x};
}

// Relative Frobenius error of the output against running sums in double. map = none has rows whose
// sum is near 0: the median of the rows' relative errors says more there.
struct LoopError {
  double rel_fro = 0, median_row = 0;
};
LoopError loop_error(const Input& input, const std::string& map) {
  const std::int64_t d = input.dim;
  std::vector<double> state(static_cast<std::size_t>(d * (d + 1)), 0.0), row;
  const auto add_key = [&](std::int64_t i) {
    for (std::int64_t c = 0; c < d; ++c) {
      const double feature = phi(map, input.key[static_cast<std::size_t>(i * d + c)]);
      double* to = state.data() + c * (d + 1);
      for (std::int64_t e = 0; e < d; ++e)
        to[e] += feature * double{input.value[static_cast<std::size_t>(i * d + e)]};
      to[d] += feature;
    }
  };
  const bool causal = input.problem.causal != Causal::none;
  for (std::int64_t i = 0; i < input.n && !causal; ++i) add_key(i);
  double error = 0, size = 0;
  std::vector<double> relative;
  for (std::int64_t i = 0; i < input.n; ++i) {
    if (causal) add_key(i);
    row.assign(static_cast<std::size_t>(d + 1), 0.0);
    for (std::int64_t c = 0; c < d; ++c) {
      const double feature = phi(map, input.query[static_cast<std::size_t>(i * d + c)]);
      for (std::int64_t e = 0; e <= d; ++e)
        row[static_cast<std::size_t>(e)] +=
            feature * state[static_cast<std::size_t>(c * (d + 1) + e)];
    }
    double row_error = 0, row_size = 0;
    for (std::int64_t e = 0; e < d; ++e) {
      const double want = row[static_cast<std::size_t>(e)] / row[static_cast<std::size_t>(d)];
      row_error += std::pow(double{input.out[static_cast<std::size_t>(i * d + e)]} - want, 2);
      row_size += want * want;
    }
    error += row_error;
    size += row_size;
    relative.push_back(std::sqrt(row_error / row_size));
  }
  const auto middle = relative.begin() + std::ssize(relative) / 2;
  std::nth_element(relative.begin(), middle, relative.end());
  return {std::sqrt(error / size), *middle};
}

// What the rounds have measured. Limits of the machine: GFLOP/s and GB/s.
struct Rounds {
  std::vector<double> forward, backward, exact, fma, read;
};

Rounds run_rounds(Input& input, const std::string& spec, const Arguments& options) {
  const int threads = options.threads;
  const std::int64_t rows = std::min(input.n, options.exact_rows);
  Rounds rounds;
  run_forward(input, spec, threads);  // touches its memory
  run_backward(input, spec, threads);
  for (int i = 0; i < options.repeats; ++i) {
    rounds.exact.push_back(exact_seconds(input, rows, threads));
    rounds.forward.push_back(seconds_of(threads, [&] { run_forward(input, spec, threads); }));
    rounds.backward.push_back(seconds_of(threads, [&] { run_backward(input, spec, threads); }));
    rounds.fma.push_back(measure_fma_gflops(threads, 0.05));
    rounds.read.push_back(measure_read_gbps(threads, 0.05));
  }
  return rounds;
}

// flops: without those beside the diagonal. bytes: of what is read and written, each once.
void print_time(const char* name, double seconds, double flops, double bytes, const Rounds& rounds,
                double exact) {
  const double fma_bound = flops / median(rounds.fma) * 1e-9;
  const double bytes_bound = bytes / median(rounds.read) * 1e-9;
  fmt::print("  {:<9} {:9.2f} ms  {:6.1f} GFlop/s  {:.2f} of FMA, {:.2f} of bandwidth", name,
             1e3 * seconds, flops / seconds * 1e-9, fma_bound / seconds, bytes_bound / seconds);
  fmt::print(" (bounds {:.1f} and {:.1f} ms)  {:.0f} times exact\n", 1e3 * fma_bound,
             1e3 * bytes_bound, exact / seconds);
}

void run_length(std::int64_t n, Causal causal, const Arguments& options) {
  Input input(n, options.dim);
  input.problem.causal = causal;
  const std::string spec = "linear(map=" + options.map + ")";
  const Rounds rounds = run_rounds(input, spec, options);
  fmt::print(
      "n = {}, D = Dv = {}, {}, {}, {} threads: FMA limit {:.1f} GFlop/s, reads {:.1f} GB/s\n", n,
      options.dim, causal == Causal::none ? "not causal" : "causal", spec, options.threads,
      median(rounds.fma), median(rounds.read));
  const auto rows = static_cast<double>(n), dim = static_cast<double>(options.dim);
  const double exact = median(rounds.exact);
  print_time("forward", median(rounds.forward), 4 * rows * dim * dim, 16 * rows * dim, rounds,
             exact);
  print_time("backward", median(rounds.backward), 10 * rows * dim * dim, 32 * rows * dim, rounds,
             exact * 2.5);
  const LoopError error = loop_error(input, options.map);
  fmt::print("  against double: rel Fro {:.1e}, median row {:.1e}\n", error.rel_fro,
             error.median_row);
}

void run_decode(const Arguments& options) {
  Input input(4096, options.dim);
  const FeatureMap map = options.map == "none"  ? FeatureMap::none
                         : options.map == "elu" ? FeatureMap::elu
                                                : FeatureMap::relu;
  LinearState state({1, 1, options.dim, options.dim, map});
  const Shape4 one{1, 1, 1, options.dim};
  const auto at = [&](std::vector<float>& rows, std::int64_t i) {
    return dense_view(static_cast<void*>(rows.data() + i * options.dim), DType::f32, one);
  };
  const double seconds = best_seconds(options.repeats, [&](int) {
    for (std::int64_t i = 0; i < input.n; ++i) {
      state.append(as_const(at(input.key, i)), as_const(at(input.value, i)), 1);
      state.attend(as_const(at(input.query, i)), at(input.out, i), 1);
    }
  });
  fmt::print("decode, one head: {:.2f} us a step\n", 1e6 * seconds / static_cast<double>(input.n));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Linear attention: time beside exact and the machine's limits, error against double");
  Arguments options;
  app.add_option("--seq", options.lengths, "Queries and keys")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--head-dim", options.dim, "D = Dv")->check(CLI::Range(1, 512));
  app.add_option("--map", options.map, "none, elu, relu")
      ->check(CLI::IsMember({"none", "elu", "relu"}));
  app.add_option("--repeats", options.repeats, "Rounds, of which the median counts")
      ->check(CLI::Range(1, 100));
  app.add_option("--threads", options.threads, "1: CPU time; more: wall time, for a quiet machine")
      ->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  for (const std::int64_t n : options.lengths)
    for (const Causal causal : {Causal::none, Causal::top_left}) run_length(n, causal, options);
  run_decode(options);
  return 0;
}
