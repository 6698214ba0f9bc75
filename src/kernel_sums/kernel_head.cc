#include "kernel_sums/kernel_head.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <string>

#include <fmt/format.h>

#include "kernels/pack.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// Squares of differences up to this many bandwidths, summed over 512 channels, fit a float.
constexpr double kMaxExtent = 0x1p56;

// Scales of bandwidths with smaller exponents are good floats.
constexpr int kPlainShift = 60;

enum class PointKind : std::uint8_t { finite, infinite, nan };

PointKind kind_of(const float* point, std::int64_t dim) {
  PointKind kind = PointKind::finite;
  for (std::int64_t c = 0; c < dim; ++c) {
    if (std::isnan(point[c])) return PointKind::nan;
    if (std::isinf(point[c])) kind = PointKind::infinite;
  }
  return kind;
}

kernels::RowSource rows_of(const TensorView& view, std::int64_t batch, std::int64_t head) {
  const char* base =
      static_cast<const char*>(view.data) + view.offset(batch, head, 0) * size_of(view.dtype);
  return {base, view.dtype, view.stride[2], view.channels(), nullptr, 0, view.length()};
}

Scratch<float> load(const kernels::RowSource& rows) {
  Scratch<float> data(rows.count * rows.width);
  if (rows.count > 0) kernels::load_rows(rows, 1.0f, data.data(), rows.width, rows.width);
  return data;
}

void move_row(Scratch<float>& data, std::int64_t width, std::int64_t from, std::int64_t to) {
  if (from != to) std::copy_n(data.data() + from * width, width, data.data() + to * width);
}

void keep_finite_queries(KernelHead& head, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const PointKind kind = kind_of(head.query(i), head.dim);
    if (kind == PointKind::nan) head.nan_rows.push_back(i);
    if (kind == PointKind::infinite) head.zero_rows.push_back(i);
    if (kind != PointKind::finite) continue;
    move_row(head.queries, head.dim, i, head.num_queries++);
    head.row_of.push_back(i);
  }
}

void keep_finite_keys(KernelHead& head, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const PointKind kind = kind_of(head.keys.data() + i * head.dim, head.dim);
    if (kind == PointKind::nan) head.nan_keys.push_back(i);
    if (kind == PointKind::infinite) head.infinite_keys.push_back(i);
    if (kind != PointKind::finite) continue;
    move_row(head.keys, head.dim, i, head.num_keys);
    move_row(head.values, head.channels, i, head.num_keys++);
    head.key_of.push_back(i);
  }
}

// Kernels are at most 1: sums stay below keys times the largest value.
void shift_values(KernelHead& head) {
  constexpr int kMost = 125;  // exponent of a safe sum
  for (const float x :
       head.values.span().first(static_cast<std::size_t>(head.num_keys * head.channels)))
    head.largest_value = std::max(head.largest_value, std::abs(x));
  if (head.largest_value == 0) return;
  const int growth = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(head.num_keys)));
  const int bits = std::ilogb(head.largest_value) + growth + 1;
  head.value_shift = std::max(0, bits - kMost);
  if (head.value_shift == 0) return;
  for (float& x : head.values.span()) x = std::ldexp(x, -head.value_shift);
}

double bandwidth_of(const KernelProblem& problem, std::int64_t channel) {
  return problem.bandwidths.empty() ? problem.bandwidth
                                    : problem.bandwidths[static_cast<std::size_t>(channel)];
}

// The largest coordinate of each channel.
std::vector<float> extents_of(const KernelHead& head) {
  std::vector<float> largest(static_cast<std::size_t>(head.dim));
  const auto grow = [&](const float* data, std::int64_t count) {
    for (std::int64_t i = 0; i < count * head.dim; ++i) {
      float& extent = largest[static_cast<std::size_t>(i % head.dim)];
      extent = std::max(extent, std::abs(data[i]));
    }
  };
  grow(head.queries.data(), head.num_queries);
  grow(head.keys.data(), head.num_keys);
  return largest;
}

void check_extent(const KernelHead& head, const KernelProblem& problem) {
  const std::vector<float> largest = extents_of(head);
  for (std::int64_t c = 0; c < head.dim; ++c) {
    const double bandwidth = bandwidth_of(problem, c);
    const float extent = largest[static_cast<std::size_t>(c)];
    if (extent * std::sqrt(std::numbers::log2e) / bandwidth <= kMaxExtent) continue;
    const std::string name =
        problem.bandwidths.empty() ? "bandwidth" : fmt::format("bandwidths: entry {}", c);
    throw_invalid(
        fmt::format("{}: {} is too small for coordinates up to {}: at most 2^56 "
                    "bandwidths are supported",
                    name, bandwidth, extent));
  }
}

void shift_points(KernelHead& head) {
  const auto shift = [&](Scratch<float>& data, std::int64_t count) {
    for (std::int64_t i = 0; i < count * head.dim; ++i)
      data[i] = std::ldexp(data[i], head.point_shift[static_cast<std::size_t>(i % head.dim)]);
  };
  shift(head.queries, head.num_queries);
  shift(head.keys, head.num_keys);
}

// Once coordinates are known to be no more than 2^56 bandwidths.
void set_scales(KernelHead& head, const KernelProblem& problem) {
  for (std::int64_t c = 0; c < head.dim; ++c) {
    const double bandwidth = bandwidth_of(problem, c);
    const bool as_is = problem.bandwidths.empty() && std::abs(std::ilogb(bandwidth)) < kPlainShift;
    const int shift = as_is ? 0 : -std::ilogb(bandwidth);
    head.point_shift.push_back(shift);
    head.scales.push_back(
        static_cast<float>(std::sqrt(std::numbers::log2e) / std::ldexp(bandwidth, shift)));
  }
  if (head.point_shift != std::vector<int>(head.point_shift.size())) shift_points(head);
}

}  // namespace

KernelHead load_kernel_head(const KernelProblem& problem, std::int64_t batch, std::int64_t head) {
  KernelHead result;
  result.dim = problem.query.channels();
  result.channels = problem.value.channels();
  result.queries = load(rows_of(problem.query, batch, head));
  result.keys = load(rows_of(problem.key, batch, head));
  result.values = load(rows_of(problem.value, batch, head));
  keep_finite_queries(result, problem.query.length());
  keep_finite_keys(result, problem.key.length());
  result.finite_values = kernels::all_finite({result.values.data(), DType::f32, result.channels,
                                              result.channels, nullptr, 0, result.num_keys});
  if (result.finite_values) shift_values(result);
  check_extent(result, problem);
  set_scales(result, problem);
  return result;
}

}  // namespace subquad
