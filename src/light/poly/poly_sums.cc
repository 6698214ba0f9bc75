#include "light/poly/poly_sums.h"

#include <algorithm>
#include <cmath>

#include "core/threads.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/partial.h"

namespace subquad {
namespace {

constexpr std::int64_t kMostPieces = 16, kMinPieceKeys = 4096;  // for threads to share
constexpr std::int64_t kStep = 256;

}  // namespace

void zero_large_entries(float threshold, float* x, std::int64_t count) {
  if (threshold <= 0) return;
  for (std::int64_t n = 0; n < count; ++n)
    if (std::fabs(x[n]) > threshold) x[n] = 0;
}

PolySums::PolySums(const HeadProblem& head, const HeldEntries& held, const MonomialLayout& layout,
                   float threshold, int threads)
    : head_(head), held_(held), threshold_(threshold), sums_(layout, head.value_dim(), true) {
  measure(threads);
  sum(threads);
}

void PolySums::load_keys(const IndexList& keys, float* out) const {
  const std::int64_t dim = head_.head_dim();
  kernels::load_rows(select_rows(head_.keys(), keys), 1.0f, out, dim, dim);
  zero_large_entries(threshold_, out, keys.count * dim);
}

void PolySums::measure(int threads) {
  const IndexList all = held_.keys();
  const std::int64_t dim = head_.head_dim();
  std::vector<float> squares(static_cast<std::size_t>(all.count));
  parallel_workers(threads, (all.count + kStep - 1) / kStep, [&] {
    return [&, keys = Scratch<float>(kStep * dim)](std::int64_t block) mutable {
      const std::int64_t begin = block * kStep, count = std::min(kStep, all.count - begin);
      load_keys(all.slice(begin, count), keys.data());
      for (std::int64_t k = 0; k < count; ++k) {
        float sum = 0;
        for (std::int64_t c = 0; c < dim; ++c) sum += keys[k * dim + c] * keys[k * dim + c];
        squares[static_cast<std::size_t>(begin + k)] = sum;
      }
    };
  });
  float largest = 0;
  std::int64_t at = 0;
  for (std::int64_t chunk = 0; chunk < held_.chunks(); ++chunk) {
    for (; at < held_.held_before(chunk); ++at) {
      const float square = squares[static_cast<std::size_t>(at)];
      if (!(square <= largest)) largest = square;  // NaN stays
    }
    norms_.push_back(std::sqrt(largest));
  }
}

void PolySums::sum(int threads) {
  std::vector<IndexList> pieces;
  for (std::int64_t chunk = 0; chunk < held_.chunks(); ++chunk) {
    const IndexList keys = held_.new_keys(chunk);
    const std::int64_t cuts = std::clamp<std::int64_t>(keys.count / kMinPieceKeys, 1, kMostPieces);
    for (std::int64_t i = 0; i < cuts; ++i) {
      const std::int64_t begin = keys.count * i / cuts, end = keys.count * (i + 1) / cuts;
      pieces.push_back(keys.slice(begin, end - begin));
    }
    last_pieces_.push_back(std::ssize(pieces) - 1);
  }
  const auto values = [this](const IndexList& keys, float* out) {
    const std::int64_t stride = padded_values(head_.value_dim());
    kernels::load_rows(select_rows(head_.values(), keys), 1.0f, out, stride, stride);
  };
  sums_.sum(pieces, {[this](const IndexList& keys, float* out) { load_keys(keys, out); }, values},
            threads);
  sums_.add_up(false, threads);
}

}  // namespace subquad
