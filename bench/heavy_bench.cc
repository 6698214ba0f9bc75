// The cost of finding heavy entries: ExpanderSketch's modes beside sortLSH and brute force
// (docs/guide/expander.md). CPU time of one thread, the best of a few; what each mode missed.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cpu_time.h"
#include "rows/head_problem.h"
#include "heavy/expander/expander_sketch.h"
#include "index/hash_head.h"

namespace {

using namespace subquad;
using bench::best_seconds;

constexpr std::int64_t kHeadDim = 64;

struct Input {
  std::vector<float> query, key;
  Problem problem;
};

std::vector<float> normal_rows(std::int64_t n, std::int64_t stream) {
  const Rng rng(7, stream);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < kHeadDim; ++c)
      rows.push_back(rng.normal(Purpose::sample, static_cast<std::uint32_t>(i),
                                static_cast<std::uint32_t>(c)));
  return rows;
}

// One query in 128 is 8 times longer, and every other key lies near one of those.
void plant(Input& input, std::int64_t n) {
  const auto spot = [&](std::int64_t p) { return (p * 128 + 5) * kHeadDim; };
  const std::int64_t planted = n / 128;
  for (std::int64_t p = 0; p < planted; ++p)
    for (std::int64_t c = 0; c < kHeadDim; ++c)
      input.query[static_cast<std::size_t>(spot(p) + c)] *= 8;
  for (std::int64_t j = 0; planted > 0 && j < n; j += 2) {
    const std::int64_t p =
        Rng(8, 0).below(planted, Purpose::sample, 0, static_cast<std::uint32_t>(j));
    for (std::int64_t c = 0; c < kHeadDim; ++c) {
      float& k = input.key[static_cast<std::size_t>(j * kHeadDim + c)];
      k = input.query[static_cast<std::size_t>(spot(p) + c)] / 8 + 0.3f * k;
    }
  }
}

Input make_input(std::int64_t n, bool planted) {
  Input input{normal_rows(n, 0), normal_rows(n, 1), {}};
  if (planted) plant(input, n);
  const Shape4 shape{1, 1, n, kHeadDim};
  const void *query = input.query.data(), *key = input.key.data();
  input.problem.query = dense_view(query, DType::f32, shape);
  input.problem.key = input.problem.value = dense_view(key, DType::f32, shape);
  return input;
}

// Entries of `all` that `some` lacks; both sorted by row, then key.
std::int64_t count_lost(const RowLists& all, const RowLists& some) {
  std::int64_t lost = 0;
  for (std::int64_t row = 0; row < all.num_rows(); ++row) {
    const auto keys = some.row(row);
    for (const std::int32_t key : all.row(row))
      lost += std::binary_search(keys.begin(), keys.end(), key) ? 0 : 1;
  }
  return lost;
}

void run_modes(const HeadProblem& head, double tau, int repeats, bool expander) {
  const std::pair<const char*, SketchMode> modes[] = {{"exhaustive", SketchMode::exhaustive},
                                                      {"leverage", SketchMode::leverage},
                                                      {"countsketch", SketchMode::countsketch},
                                                      {"expander", SketchMode::expander}};
  RowLists all;
  for (const auto& [name, mode] : modes) {
    if (mode == SketchMode::expander && !expander) continue;
    ExpanderOptions options;
    options.tau = tau;
    options.mode = mode;
    SketchReport report;
    RowLists lists;
    const double seconds = best_seconds(mode == SketchMode::expander ? 1 : repeats, [&](int i) {
      lists = find_heavy_hitters(head, options, Rng(static_cast<std::uint64_t>(i), 0), 1, &report);
    });
    if (mode == SketchMode::exhaustive) all = lists;
    fmt::print("  {:<12} {:10.1f} ms  rows(T) {:7}  entries {:7}  lost {}\n", name, 1e3 * seconds,
               report.sketch_rows, lists.num_entries(), count_lost(all, lists));
  }
}

void run_sort_lsh(const HeadProblem& head, int repeats) {
  const double seconds = best_seconds(repeats, [&](int) {
    const HashBuckets buckets = hash_head(head, Rng(1, 0), 0, HashOptions{}, 1);
    sort_by_bucket(buckets.rows.span(), 0);
    sort_by_bucket(buckets.keys.span(), 0);
  });
  fmt::print("  {:<12} {:10.1f} ms  (hash and sort; the blocks' scores come on top)\n", "sortlsh",
             1e3 * seconds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Finding heavy entries: ExpanderSketch beside sortLSH, D = 64");
  std::vector<std::int64_t> lengths{4096, 16384};
  double tau = 64;
  int repeats = 3;
  bool expander = false;
  app.add_option("--seq", lengths, "Queries and keys")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--tau", tau, "Threshold")->check(CLI::Range(1.0, 1e6));
  app.add_option("--repeats", repeats, "Runs, of which the best counts")->check(CLI::Range(1, 100));
  app.add_flag("--expander", expander, "Run mode=expander too (minutes at n = 16,384)");
  CLI11_PARSE(app, argc, argv);
  for (const std::int64_t n : lengths)
    for (const bool planted : {false, true}) {
      const Input input = make_input(n, planted);
      const HeadProblem head = split_heads(input.problem).front();
      fmt::print("n = {}, {}, tau = {}\n", n, planted ? "planted" : "gaussian", tau);
      run_modes(head, tau, repeats, expander);
      run_sort_lsh(head, repeats);
    }
  return 0;
}
