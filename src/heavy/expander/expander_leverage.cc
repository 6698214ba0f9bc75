// Rows that can be heavy at all: those of large leverage (see expander_sketch.h).
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/threads.h"
#include "heavy/expander/expander_search.h"

namespace subquad {
namespace {

// Regularisation: l_i is taken as q_i^T (G + delta I)^-1 q_i with delta = kRidge trace G, which
// bounds x_i^2 / (|x|^2 + delta |k|^2). A column with |x|^2 < kGuard delta |k|^2 (its key is almost
// orthogonal to all queries) has all its entries evaluated; for the others the bound is off by at
// most 1 / kGuard.
constexpr double kRidge = 1e-10, kGuard = 1e3;
constexpr std::int64_t kRows = 8;      // rows solved side by side
constexpr std::int64_t kChunk = 1024;  // rows handed to a thread

double trace(const QueryRows& queries) {
  double sum = 0;
  for (std::int64_t c = 0; c < queries.width; ++c)
    sum += queries.gram[static_cast<std::size_t>(c * (queries.width + 1))];
  return sum;
}

// L with L L^T = G + delta I, row by row.
std::vector<double> cholesky(const QueryRows& queries, double delta) {
  const auto width = static_cast<std::size_t>(queries.width);
  std::vector<double> factor = queries.gram;
  for (std::size_t a = 0; a < width; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      double sum = factor[a * width + b] + (a == b ? delta : 0.0);
      for (std::size_t c = 0; c < b; ++c) sum -= factor[a * width + c] * factor[b * width + c];
      factor[a * width + b] =
          a == b ? std::sqrt(std::max(sum, delta)) : sum / factor[b * width + b];
    }
  return factor;
}

// leverages[r] = |L^-1 q_r|^2 of kRows rows by forward substitution; solution: width * kRows.
void add_leverages(const std::vector<double>& factor, std::int64_t width, double* solution,
                   double* leverages) {
  std::fill(leverages, leverages + kRows, 0.0);
  for (std::int64_t a = 0; a < width; ++a) {
    double* to = solution + a * kRows;
    const double* row = factor.data() + a * width;
    for (std::int64_t b = 0; b < a; ++b)
      for (std::int64_t r = 0; r < kRows; ++r) to[r] -= row[b] * solution[b * kRows + r];
    for (std::int64_t r = 0; r < kRows; ++r) {
      to[r] /= row[a];
      leverages[r] += to[r] * to[r];
    }
  }
}

void select(const QueryRows& queries, const std::vector<double>& factor, double least,
            const Range& range, std::vector<std::int32_t>& rows) {
  std::vector<double> solution(static_cast<std::size_t>(queries.width * kRows));
  for (std::int64_t begin = range.begin; begin < range.end; begin += kRows) {
    const std::int64_t count = std::min(kRows, range.end - begin);
    std::fill(solution.begin(), solution.end(), 0.0);
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t c = 0; c < queries.width; ++c)
        solution[static_cast<std::size_t>(c * kRows + r)] = queries.row(begin + r)[c];
    double leverages[kRows];
    add_leverages(factor, queries.width, solution.data(), leverages);
    for (std::int64_t r = 0; r < count; ++r)
      if (leverages[r] >= least) rows.push_back(static_cast<std::int32_t>(begin + r));
  }
}

std::vector<std::int32_t> rows_of_leverage(const QueryRows& queries, double delta, double tau,
                                           int threads) {
  const std::vector<double> factor = cholesky(queries, delta);
  const double least = (1 - 2 / kGuard) / tau;
  std::vector<std::vector<std::int32_t>> parts(
      static_cast<std::size_t>((queries.count + kChunk - 1) / kChunk));
  parallel_for(threads, static_cast<std::int64_t>(parts.size()), [&](std::int64_t chunk) {
    const Range range{chunk * kChunk, std::min(queries.count, (chunk + 1) * kChunk)};
    select(queries, factor, least, range, parts[static_cast<std::size_t>(chunk)]);
  });
  std::vector<std::int32_t> rows;
  for (const auto& part : parts) rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

class RowSelection final : public ColumnSketch {
 public:
  RowSelection(const QueryRows& queries, double tau, bool by_leverage, int threads)
      : count_(queries.count), delta_(by_leverage ? kRidge * trace(queries) : 0.0) {
    if (by_leverage && delta_ > 0) rows_ = rows_of_leverage(queries, delta_, tau, threads);
    if (!by_leverage) append_all(rows_);
    packed_ = PackedRows(queries.source(rows_.data(), static_cast<std::int64_t>(rows_.size())));
  }

  void decode(const Column& column, std::vector<std::int32_t>& candidates) const override {
    if (column.energy < kGuard * delta_ * column.key_norm * column.key_norm)
      return append_all(candidates);
    const std::size_t first = candidates.size();
    append_at_least(column.sketch, packed_.count(), column.limit - column.slack, candidates);
    for (std::size_t c = first; c < candidates.size(); ++c)
      candidates[c] = rows_[static_cast<std::size_t>(candidates[c])];
  }

 private:
  void append_all(std::vector<std::int32_t>& rows) const {
    for (std::int64_t i = 0; i < count_; ++i) rows.push_back(static_cast<std::int32_t>(i));
  }

  std::int64_t count_;
  double delta_;
  std::vector<std::int32_t> rows_;
};

}  // namespace

std::unique_ptr<ColumnSketch> make_row_selection(const QueryRows& queries, double tau,
                                                 bool by_leverage, int threads) {
  return std::make_unique<RowSelection>(queries, tau, by_leverage, threads);
}

}  // namespace subquad
