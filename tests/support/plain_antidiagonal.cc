#include "support/plain_antidiagonal.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

// The block of queries: what its first and its last one see, and whether it chooses strictly.
struct Block {
  std::int64_t first, last;
  Keys low, high;
  bool early;
};

Block block_of(const PlainAntidiagonal& plain, const Problem& problem, std::int64_t first) {
  const std::int64_t last = std::min(first + plain.block, problem.query.length()) - 1;
  const bool band = problem.causal != Causal::none || problem.window.left >= 0;
  return {first, last, seen_by(problem, first), seen_by(problem, last), plain.strict && band};
}

// One head of a problem, its scores times scale / stride.
class Head {
 public:
  Head(const Problem& problem, std::int64_t b, std::int64_t h, std::int64_t stride)
      : query_(read_tensor(problem.query)),
        key_(read_tensor(problem.key)),
        b_(b),
        h_(h),
        kv_(h / (problem.query.heads() / problem.key.heads())),
        stride_(stride) {
    const auto dim = static_cast<double>(problem.query.channels());
    scale_ =
        (problem.scale ? double{*problem.scale} : 1 / std::sqrt(dim)) / static_cast<double>(stride);
  }

  // Query i + stride - 1 - t meets key j + t; queries from `end` on and keys behind the last: zero.
  double antidiagonal(std::int64_t i, std::int64_t end, std::int64_t j) const {
    double sum = 0;
    for (std::int64_t t = 0; t < stride_; ++t) {
      const std::int64_t q = i + stride_ - 1 - t, k = j + t;
      if (q >= end || k >= key_.shape[2]) continue;
      for (std::int64_t c = 0; c < query_.shape[3]; ++c)
        sum += query_.row(b_, h_, q)[c] * key_.row(b_, kv_, k)[c];
    }
    return scale_ * sum;
  }

 private:
  DenseTensor query_, key_;
  std::int64_t b_, h_, kv_, stride_;
  double scale_ = 1;
};

using Shares = std::vector<double>;

// Adds the softmax of queries [i, end), block by block of keys.
void add_softmax(const PlainAntidiagonal& plain, const Problem& problem, const Head& head,
                 const Block& block, std::int64_t i, std::int64_t end, Shares& share) {
  const std::int64_t keys = problem.key.length();
  const Keys a = seen_by(problem, i), z = seen_by(problem, end - 1);
  Shares weights(share.size(), 0.0);
  for (std::int64_t j = 0; j < keys; j += plain.stride) {
    const std::int64_t j_end = std::min(j + plain.stride, keys);
    const bool counts = block.early ? j >= block.high.begin && j_end <= block.low.end
                                    : j < z.end && j_end > a.begin;
    if (counts)
      weights[static_cast<std::size_t>(j / plain.block)] += std::exp(head.antidiagonal(i, end, j));
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t k = 0; k < share.size() && total > 0; ++k) share[k] += weights[k] / total;
}

std::set<std::int64_t> kept_always(const PlainAntidiagonal& plain, const Problem& problem,
                                   const Block& block, std::int64_t blocks) {
  std::set<std::int64_t> kept;
  const bool causal = problem.causal != Causal::none;
  for (std::int64_t k = 0; k < blocks; ++k) {
    const std::int64_t begin = k * plain.block;
    const std::int64_t end = std::min(begin + plain.block, problem.key.length());
    if (begin >= block.high.end || end <= block.low.begin) continue;
    const bool diagonal = causal && end > block.low.end - 1;
    const bool edge = block.early && (begin < block.high.begin || end > block.low.end);
    if ((causal && k == 0) || diagonal || edge) kept.insert(k);
  }
  return kept;
}

// The largest share that is not kept; -1: none is left.
std::int64_t next_block(const Shares& share, const std::set<std::int64_t>& kept) {
  std::int64_t best = -1;
  double most = 0;
  for (std::int64_t k = 0; k < std::ssize(share); ++k)
    if (!kept.contains(k) && share[static_cast<std::size_t>(k)] > most) {
      best = k;
      most = share[static_cast<std::size_t>(k)];
    }
  return best;
}

}  // namespace

PlainAntidiagonal::Choice PlainAntidiagonal::choose(const Problem& problem, std::int64_t b,
                                                    std::int64_t h, std::int64_t first) const {
  const Head head(problem, b, h, stride);
  const Block queries = block_of(*this, problem, first);
  const std::int64_t from = queries.early ? std::max<std::int64_t>(first + 1 - block, 0) : first;
  const std::int64_t to = queries.early ? first + 1 : queries.last + 1;
  const std::int64_t blocks = (problem.key.length() + block - 1) / block;
  Shares share(static_cast<std::size_t>(blocks), 0.0);
  for (std::int64_t i = from; i < to; i += stride)
    add_softmax(*this, problem, head, queries, i, std::min(i + stride, to), share);
  Choice choice{kept_always(*this, problem, queries, blocks), 1};
  const double total = std::accumulate(share.begin(), share.end(), 0.0);
  double sum = 0;
  for (const std::int64_t k : choice.blocks) sum += share[static_cast<std::size_t>(k)];
  const auto note_gap = [&] {
    if (total > 0) choice.gap = std::min(choice.gap, std::fabs(sum / total - threshold));
  };
  note_gap();
  while (sum < threshold * total) {
    const std::int64_t best = next_block(share, choice.blocks);
    if (best < 0) break;
    choice.blocks.insert(best);
    sum += share[static_cast<std::size_t>(best)];
    note_gap();
  }
  return choice;
}

}  // namespace subquad::testing
