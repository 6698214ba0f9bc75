#include "support/plain_antidiagonal.h"

#include <algorithm>
#include <cmath>

namespace subquad::testing {
namespace {

struct Keys {
  std::int64_t begin, end;
};

// The keys that query i may see, by trying each.
Keys seen_by(const Problem& problem, std::int64_t i) {
  const SequenceRange all{0, problem.query.length(), 0, problem.key.length()};
  Keys keys{problem.key.length(), 0};
  for (std::int64_t j = 0; j < problem.key.length(); ++j)
    if (in_band(problem, all, i, j)) keys = {std::min(keys.begin, j), j + 1};
  return keys;
}

}  // namespace

PlainAntidiagonal::Choice PlainAntidiagonal::choose(const Problem& problem, std::int64_t b,
                                                    std::int64_t h, std::int64_t first) const {
  const DenseTensor query = read_tensor(problem.query), key = read_tensor(problem.key);
  const std::int64_t queries = problem.query.length(), keys = problem.key.length();
  const std::int64_t dim = problem.query.channels();
  const std::int64_t kv = h / (problem.query.heads() / problem.key.heads());
  const double scale = problem.scale ? double{*problem.scale} : 1 / std::sqrt(double(dim));
  const std::int64_t last = std::min(first + block, queries) - 1;
  const Keys low = seen_by(problem, first), high = seen_by(problem, last);
  const bool band = problem.causal != Causal::none || problem.window.left >= 0;
  const bool causal = problem.causal != Causal::none;
  const bool early = strict && band;
  const std::int64_t from = early ? std::max<std::int64_t>(first + 1 - block, 0) : first;
  const std::int64_t to = early ? first + 1 : last + 1;
  const std::int64_t blocks = (keys + block - 1) / block;
  std::vector<double> share(static_cast<std::size_t>(blocks), 0.0);
  for (std::int64_t i = from; i < to; i += stride) {
    const std::int64_t end = std::min(i + stride, to);
    const Keys a = seen_by(problem, i), z = seen_by(problem, end - 1);
    std::vector<double> score;
    std::vector<std::int64_t> place;
    for (std::int64_t j = 0; j < keys; j += stride) {
      const std::int64_t j_end = std::min(j + stride, keys);
      const bool counts =
          early ? j >= high.begin && j_end <= low.end : j < z.end && j_end > a.begin;
      if (!counts) continue;
      double sum = 0;  // query i + stride - 1 - t meets key j + t
      for (std::int64_t t = 0; t < stride; ++t) {
        const std::int64_t q = i + stride - 1 - t;
        if (q >= end || j + t >= keys) continue;
        for (std::int64_t c = 0; c < dim; ++c)
          sum += query.row(b, h, q)[c] * key.row(b, kv, j + t)[c];
      }
      score.push_back(scale * sum / double(stride));
      place.push_back(j / block);
    }
    double total = 0;
    for (const double s : score) total += std::exp(s);
    for (std::size_t n = 0; n < score.size(); ++n)
      share[static_cast<std::size_t>(place[n])] += std::exp(score[n]) / total;
  }
  Choice choice;
  for (std::int64_t k = 0; k < blocks; ++k) {
    const std::int64_t begin = k * block, end = std::min(begin + block, keys);
    if (begin >= high.end || end <= low.begin) continue;
    const bool diagonal = causal && end > low.end - 1;
    const bool edge = early && (begin < high.begin || end > low.end);
    if ((causal && k == 0) || diagonal || edge) choice.blocks.insert(k);
  }
  double total = 0, sum = 0;
  for (const double s : share) total += s;
  for (const std::int64_t k : choice.blocks) sum += share[static_cast<std::size_t>(k)];
  while (sum < threshold * total) {
    std::int64_t best = -1;
    for (std::int64_t k = 0; k < blocks; ++k)
      if (!choice.blocks.contains(k) && share[static_cast<std::size_t>(k)] > 0 &&
          (best < 0 || share[static_cast<std::size_t>(k)] > share[static_cast<std::size_t>(best)]))
        best = k;
    if (best < 0) break;
    choice.gap = std::min(choice.gap, std::fabs(sum - threshold * total) / total);
    choice.blocks.insert(best);
    sum += share[static_cast<std::size_t>(best)];
  }
  if (total > 0) choice.gap = std::min(choice.gap, std::fabs(sum - threshold * total) / total);
  return choice;
}

}  // namespace subquad::testing
