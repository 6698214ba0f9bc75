// Top-k attention against exact attention of the same run, and against the two versions of the k-NN
// paper (KVT, section 3): slow, which gathers the k keys and values of each query one query at a
// time, and fast, which masks the full matrix of scores (Algorithm 1). Interleaved rounds, medians.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cpu_time.h"
#include "subquad/subquad.hpp"
#include "topk_peer.h"

namespace {

using bench::KnnInput;
using subquad::bench::cpu_seconds;

struct Contender {
  std::string name;
  std::function<void(std::vector<float>&)> run;
  std::vector<double> seconds = {}, cpu = {};
  std::vector<float> out = {};
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run_subquad(const KnnInput& input, const std::string& spec, int threads,
                 std::vector<float>& out) {
  const subquad::Shape4 shape{1, 1, input.seq, input.head_dim};
  const auto view = [&](const std::vector<float>& rows) {
    return subquad::dense_view(static_cast<const void*>(rows.data()), subquad::DType::f32, shape);
  };
  subquad::Problem problem;
  problem.query = view(input.query);
  problem.key = view(input.key);
  problem.value = view(input.value);
  subquad::Outputs outputs;
  outputs.out = subquad::dense_view(static_cast<void*>(out.data()), subquad::DType::f32, shape);
  subquad::Options options;
  options.threads = threads;
  subquad::attend(problem, spec, outputs, options);
}

void time_once(Contender& contender, std::size_t size) {
  contender.out.resize(size);
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  contender.run(contender.out);
  contender.seconds.push_back(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  contender.cpu.push_back(cpu_seconds() - cpu);
}

// Largest difference from a row's plain double-precision loop over some rows, over max |V|.
double row_error(const KnnInput& input, std::int64_t k, const std::vector<float>& out) {
  double worst = 0, largest = 0;
  for (const float v : input.value) largest = std::max(largest, std::abs(double{v}));
  for (std::int64_t i = 0; i < input.seq; i += std::max<std::int64_t>(1, input.seq / 16)) {
    const std::vector<double> want = bench::plain_topk_row(input, k, i);
    for (std::size_t c = 0; c < want.size(); ++c)
      worst = std::max(
          worst, std::abs(double{out[static_cast<std::size_t>(i) * want.size() + c]} - want[c]));
  }
  return worst / largest;
}

void report(const KnnInput& input, std::int64_t k, std::vector<Contender>& contenders) {
  const double exact = median(contenders.front().seconds),
               exact_cpu = median(contenders.front().cpu);
  for (const Contender& contender : contenders) {
    const double seconds = median(contender.seconds), cpu = median(contender.cpu);
    const bool is_exact = contender.name == "exact";
    fmt::print(
        "  {:<22} {:9.1f} ms, {:5.2f} of exact's speed; CPU {:9.1f} ms, {:5.2f}; error {:.1e}\n",
        contender.name, 1e3 * seconds, exact / seconds, 1e3 * cpu, exact_cpu / cpu,
        row_error(input, is_exact ? input.seq : k, contender.out));
  }
}

void compare(const KnnInput& input, std::int64_t k, int threads, int rounds, bool slow) {
  std::vector<Contender> contenders;
  contenders.push_back({"exact", [&](auto& out) { run_subquad(input, "exact", threads, out); }});
  contenders.push_back({fmt::format("topk(k={})", k), [&](auto& out) {
                          run_subquad(input, fmt::format("topk(k={})", k), threads, out);
                        }});
  if (const auto fast = bench::make_fast_knn(threads))
    contenders.push_back(
        {"fast version (sgemm)", [&, fast](auto& out) { fast->run(input, k, out); }});
  if (slow)
    contenders.push_back(
        {"slow version (gather)", [&](auto& out) { bench::slow_knn(input, k, threads, out); }});
  for (int round = 0; round < rounds; ++round)
    for (Contender& contender : contenders) time_once(contender, input.query.size());
  fmt::print("n = {}, D = {}, k = {}, {} threads\n", input.seq, input.head_dim, k, threads);
  report(input, k, contenders);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Top-k attention beside exact attention and the k-NN paper's two versions");
  std::int64_t seq = 8192, head_dim = 64;
  std::vector<std::int64_t> sizes{100, 4096};
  int rounds = 5, threads = 1;
  bool slow = true;
  app.add_option("--seq", seq, "Queries and keys")->check(CLI::Range(2, 1 << 15));
  app.add_option("--head-dim", head_dim, "D")->check(CLI::Range(1, 512));
  app.add_option("--k", sizes, "Keys that a query keeps")->delimiter(',');
  app.add_option("--rounds", rounds, "Interleaved rounds, of which the median counts")
      ->check(CLI::Range(1, 100));
  app.add_option("--threads", threads, "Threads")->check(CLI::Range(1, 256));
  app.add_flag("!--no-slow", slow, "Leave out the slow version");
  CLI11_PARSE(app, argc, argv);
  const KnnInput input = bench::normal_input(seq, head_dim);
  for (const std::int64_t k : sizes)
    compare(input, std::clamp<std::int64_t>(k, 1, seq), threads, rounds, slow);
  return 0;
}
