// Stable rank of the softmax matrix: what HyperAttention's Lemma 2 samples for.
#include <cstddef>

#include "core/threads.h"
#include "diagnose/column_squares.h"
#include "core/probe_problem.h"
#include "subquad/measure.h"
#include "subquad/probe.h"

namespace subquad {
namespace {

TensorView positions(TensorView view, std::int64_t begin, std::int64_t end) {
  view.data = static_cast<const char*>(view.data) + begin * view.stride[2] * size_of(view.dtype);
  view.shape[2] = end - begin;
  return view;
}

// The packed sequences, each a problem of its own; without packing the problem itself.
std::vector<Problem> sequences_of(const Problem& problem) {
  const auto& q = problem.query_offsets;
  const auto& k = problem.key_offsets;
  if (q.empty()) return {problem};
  std::vector<Problem> sequences;
  for (std::size_t s = 0; s + 1 < q.size(); ++s) {
    Problem part = problem;
    part.query_offsets = part.key_offsets = {};
    part.query = positions(problem.query, q[s], q[s + 1]);
    part.key = positions(problem.key, k[s], k[s + 1]);
    part.value = positions(problem.value, k[s], k[s + 1]);
    sequences.push_back(part);
  }
  return sequences;
}

// |P|_op of every sequence and query head.
std::vector<double> operator_norms(const Problem& problem, const StableRankOptions& options) {
  MeasureOptions measure;
  measure.max_iterations = options.max_iterations;
  measure.tolerance = options.tolerance;
  measure.threads = options.threads;
  std::vector<double> norms;
  for (const Problem& sequence : sequences_of(problem)) {
    const std::vector<double> part = softmax_norms(sequence, measure);
    norms.insert(norms.end(), part.begin(), part.end());
  }
  return norms;
}

// |P|_F^2 likewise.
std::vector<double> frobenius_squares(const Problem& problem, int threads) {
  const std::vector<HeadProblem> heads = split_heads(problem);
  std::vector<HeadRows> rows;
  for (const HeadProblem& head : heads) rows.push_back({&head, index_range(0, head.num_rows())});
  std::vector<double> sums;
  const auto squares = column_squares(rows, resolved_threads(threads));
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const auto keys = static_cast<std::size_t>(heads[h].num_keys);
    for (std::int64_t g = 0; g < heads[h].group; ++g) sums.push_back(0);
    for (std::size_t n = 0; n < squares[h].size(); ++n)
      sums[sums.size() - static_cast<std::size_t>(heads[h].group) + n / keys] += squares[h][n];
  }
  return sums;
}

}  // namespace

std::vector<StableRank> probe_stable_rank(const Problem& problem,
                                          const StableRankOptions& options) {
  check_probe(problem, options.threads);
  check_power_iteration(options.max_iterations, options.tolerance);
  const Problem bare = without_values(problem);
  const std::vector<double> squares = frobenius_squares(bare, options.threads);
  const std::vector<double> norms = operator_norms(bare, options);
  const auto heads = static_cast<std::size_t>(problem.query.heads());
  std::vector<StableRank> results;
  for (std::size_t n = 0; n < squares.size(); ++n) {
    const double norm = norms[n];
    results.push_back({static_cast<std::int64_t>(n / heads), static_cast<std::int64_t>(n % heads),
                       squares[n], norm, norm == 0 ? 0 : squares[n] / (norm * norm)});
  }
  return results;
}

}  // namespace subquad
