// Token similarity and residual ratio: sums over a layer's tokens.
#include <cmath>
#include <limits>

#include "core/checks.h"
#include "core/isa.h"
#include "kernels/pack.h"
#include "subquad/attention_metrics.h"

namespace subquad {
namespace {

// Calls visit(row) with every row of one (b, h) in f32.
template <typename Visit>
void for_each_row(const TensorView& view, std::int64_t b, std::int64_t h, const Visit& visit) {
  std::vector<float> row(static_cast<std::size_t>(view.channels()));
  const auto* base =
      static_cast<const char*>(view.data) + view.offset(b, h, 0) * size_of(view.dtype);
  const kernels::RowSource rows{base,    view.dtype, view.stride[2], view.channels(),
                                nullptr, 0,          view.length()};
  for (std::int64_t i = 0; i < view.length(); ++i) {
    kernels::load_rows(rows.slice(i, 1), 1, row.data(), view.channels(), view.channels());
    visit(row);
  }
}

double square_of(const std::vector<float>& row) {
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  return sum;
}

double similarity(const TensorView& tokens, std::int64_t b, std::int64_t h) {
  std::vector<double> sum(static_cast<std::size_t>(tokens.channels()));
  double own = 0;  // sum_i cos(t_i, t_i): the rows that are not zero
  for_each_row(tokens, b, h, [&](const std::vector<float>& row) {
    const double square = square_of(row);
    if (square == 0) return;
    own += 1;
    for (std::size_t c = 0; c < sum.size(); ++c)
      sum[c] += static_cast<double>(row[c]) / std::sqrt(square);
  });
  double all = 0;
  for (const double x : sum) all += x * x;
  const auto n = static_cast<double>(tokens.length());
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  return (all - own) / (n * (n - 1));
}

double frobenius(const TensorView& view, std::int64_t b, std::int64_t h) {
  double sum = 0;
  for_each_row(view, b, h, [&](const std::vector<float>& row) { sum += square_of(row); });
  return std::sqrt(sum);
}

// Of every (b, h).
template <typename Measure>
std::vector<double> each_head(const TensorView& view, const Measure& measure) {
  ensure_isa();
  std::vector<double> results;
  for (std::int64_t b = 0; b < view.batch(); ++b)
    for (std::int64_t h = 0; h < view.heads(); ++h) results.push_back(measure(b, h));
  return results;
}

}  // namespace

std::vector<double> token_similarity(const TensorView& tokens) {
  check_view("tokens", tokens);
  return each_head(tokens, [&](auto b, auto h) { return similarity(tokens, b, h); });
}

std::vector<double> residual_ratio(const TensorView& branch, const TensorView& main) {
  check_view("branch", branch);
  check_shape("main", main, branch.shape);
  return each_head(branch, [&](auto b, auto h) {
    const double added = frobenius(branch, b, h);
    return added == 0 ? 0 : added / frobenius(main, b, h);
  });
}

std::vector<Position> grid_positions(std::int64_t height, std::int64_t width) {
  if (height < 0) throw_invalid(fmt::format("height: {} is below 0", height));
  if (width < 0) throw_invalid(fmt::format("width: {} is below 0", width));
  std::vector<Position> positions;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      positions.push_back({static_cast<float>(y), static_cast<float>(x)});
  return positions;
}

std::vector<Position> line_positions(std::int64_t length) { return grid_positions(1, length); }

}  // namespace subquad
