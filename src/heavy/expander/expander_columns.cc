#include "heavy/expander/expander_columns.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/threads.h"
#include "rows/placed_rows.h"

namespace subquad {
namespace {

constexpr std::int64_t kLanes = 4;  // rows or channels that share a pass over the Gram matrix

float largest_entry(const float* x, std::int64_t count) {
  float largest = 0;
  for (std::int64_t c = 0; c < count; ++c) largest = std::max(largest, std::fabs(x[c]));
  return largest;
}

// The power of two that brings `largest` into [1/2, 1), as near as f32 allows.
float unit_scale(float largest) {
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0f, std::clamp(-exponent, -126, 126));
}

// Fixed chunks: the sums below do not depend on the thread count.
struct Chunks {
  explicit Chunks(std::int64_t n) : count(n), size(std::max<std::int64_t>(1024, (n + 63) / 64)) {}
  std::int64_t number() const { return (count + size - 1) / size; }
  Range range(std::int64_t chunk) const {
    return {chunk * size, std::min(count, (chunk + 1) * size)};
  }
  std::int64_t count, size;
};

void load_rows_of(const HeadProblem& head, const Range& range, QueryRows& queries) {
  kernels::RowSource source{nullptr, head.problem->query.dtype, 0, queries.width, nullptr, 0, 1};
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    source.base = head.row_in(head.problem->query, i);
    float* row = queries.values.data() + i * queries.width;
    if (kernels::all_finite(source) && sees_any(head, i)) {
      kernels::load_rows(source, 1.0f, row, queries.width, queries.width);
    } else {
      std::fill(row, row + queries.width, 0.0f);
    }
  }
}

// gram += sum of r r^T over kLanes rows of doubles; upper triangle.
void add_outer_products(const double* rows, std::int64_t width, double* gram) {
  const double *r0 = rows, *r1 = r0 + width, *r2 = r1 + width, *r3 = r2 + width;
  for (std::int64_t a = 0; a < width; ++a) {
    double* to = gram + a * width;
    for (std::int64_t c = a; c < width; ++c)
      to[c] += (r0[a] * r0[c] + r1[a] * r1[c]) + (r2[a] * r2[c] + r3[a] * r3[c]);
  }
}

// The Gram matrix of a chunk of rows, upper triangle, and the largest squared norm.
double chunk_gram(const QueryRows& queries, const Range& range, double* gram) {
  std::vector<double> rows(static_cast<std::size_t>(kLanes * queries.width));
  double largest = 0;
  for (std::int64_t begin = range.begin; begin < range.end; begin += kLanes) {
    const std::int64_t count = std::min(kLanes, range.end - begin);
    std::copy_n(queries.row(begin), count * queries.width, rows.begin());
    std::fill(rows.begin() + count * queries.width, rows.end(), 0.0);
    add_outer_products(rows.data(), queries.width, gram);
    for (std::int64_t i = begin; i < begin + count; ++i)
      largest = std::max(largest, dot(queries.row(i), queries.row(i), queries.width));
  }
  return largest;
}

void mirror(std::vector<double>& gram, std::size_t width) {
  for (std::size_t a = 0; a < width; ++a)
    for (std::size_t c = 0; c < a; ++c) gram[a * width + c] = gram[c * width + a];
}

void add_gram(QueryRows& queries, int threads) {
  const Chunks chunks(queries.count);
  const auto size = static_cast<std::size_t>(queries.width * queries.width);
  std::vector<std::vector<double>> grams(static_cast<std::size_t>(chunks.number()));
  std::vector<double> norms(grams.size());
  parallel_for(threads, chunks.number(), [&](std::int64_t chunk) {
    const auto at = static_cast<std::size_t>(chunk);
    grams[at].assign(size, 0.0);
    norms[at] = chunk_gram(queries, chunks.range(chunk), grams[at].data());
  });
  queries.gram.assign(size, 0.0);
  for (const auto& gram : grams)
    for (std::size_t c = 0; c < size; ++c) queries.gram[c] += gram[c];
  mirror(queries.gram, static_cast<std::size_t>(queries.width));
  for (const double norm : norms)
    queries.largest_norm = std::max(queries.largest_norm, std::sqrt(norm));
}

// product = G k, channels of k four at a time.
void multiply(const std::vector<double>& gram, const float* k, std::vector<double>& product) {
  const std::size_t width = product.size();
  std::fill(product.begin(), product.end(), 0.0);
  std::size_t a = 0;
  for (; a + kLanes <= width; a += kLanes) {
    const double *g0 = gram.data() + a * width, *g1 = g0 + width, *g2 = g1 + width,
                 *g3 = g2 + width;
    const double k0 = k[a], k1 = k[a + 1], k2 = k[a + 2], k3 = k[a + 3];
    for (std::size_t c = 0; c < width; ++c)
      product[c] += (k0 * g0[c] + k1 * g1[c]) + (k2 * g2[c] + k3 * g3[c]);
  }
  for (; a < width; ++a)
    for (std::size_t c = 0; c < width; ++c) product[c] += double{k[a]} * gram[a * width + c];
}

}  // namespace

double dot(const float* x, const float* y, std::int64_t width) {
  double sum[kLanes] = {0, 0, 0, 0};
  std::int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      sum[lane] += double{x[c + lane]} * double{y[c + lane]};
  for (; c < width; ++c) sum[0] += double{x[c]} * double{y[c]};
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

QueryRows load_query_rows(const HeadProblem& head, int threads) {
  QueryRows queries;
  queries.count = head.num_rows();
  queries.width = head.head_dim();
  queries.values = Scratch<float>(queries.count * queries.width);
  const Chunks chunks(queries.count);
  std::vector<float> largest(static_cast<std::size_t>(chunks.number()), 0.0f);
  parallel_for(threads, chunks.number(), [&](std::int64_t chunk) {
    const Range range = chunks.range(chunk);
    load_rows_of(head, range, queries);
    largest[static_cast<std::size_t>(chunk)] =
        largest_entry(queries.row(range.begin), (range.end - range.begin) * queries.width);
  });
  const float scale =
      unit_scale(largest.empty() ? 0.0f : *std::max_element(largest.begin(), largest.end()));
  for (float& value : queries.values.span()) value *= scale;
  add_gram(queries, threads);
  return queries;
}

KeyBlock::KeyBlock(std::int64_t width, std::int64_t capacity)
    : width_(width),
      values_(width * capacity),
      energy_(static_cast<std::size_t>(capacity)),
      norm_(static_cast<std::size_t>(capacity)),
      product_(static_cast<std::size_t>(width)) {}

void KeyBlock::load(const HeadProblem& head, const QueryRows& queries, std::int64_t begin,
                    std::int64_t count) {
  begin_ = begin;
  count_ = count;
  const kernels::RowSource source = head.keys().slice(begin, count);
  kernels::load_rows(source, 1.0f, values_.data(), width_, width_);
  for (std::int64_t j = 0; j < count; ++j) {
    float* key = values_.data() + j * width_;
    const bool finite = kernels::all_finite(source.slice(j, 1));
    const float scale = finite ? unit_scale(largest_entry(key, width_)) : 0.0f;
    std::transform(key, key + width_, key, [&](float x) { return finite ? x * scale : 0.0f; });
    multiply(queries.gram, key, product_);
    double energy = 0;
    for (std::int64_t c = 0; c < width_; ++c)
      energy += double{key[c]} * product_[static_cast<std::size_t>(c)];
    energy_[static_cast<std::size_t>(j)] = energy;
    norm_[static_cast<std::size_t>(j)] = std::sqrt(dot(key, key, width_));
  }
}

}  // namespace subquad
