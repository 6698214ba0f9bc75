#include "index/euclidean_lsh.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numbers>

#include <fmt/format.h>

#include "core/threads.h"
#include "index/hash_head.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 256;  // rows hashed at a time
constexpr std::int64_t kMostFunctions = 64, kMostTables = 65536;
constexpr EuclideanLsh::Code kNowhere = 0;

void check_hash(const EuclideanHash& how) {
  if (!(how.width > 0) || !std::isfinite(how.width))
    throw_invalid(fmt::format("width: {} must be positive and finite", how.width));
  if (how.concatenation < 1 || how.concatenation > kMostFunctions)
    throw_invalid(
        fmt::format("concatenation: {} must be 1 to {}", how.concatenation, kMostFunctions));
  if (how.tables < 1 || how.tables > kMostTables)
    throw_invalid(fmt::format("tables: {} must be 1 to {}", how.tables, kMostTables));
}

// The finalizer of SplitMix64: a bijection.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Of the whole numbers floor(p + b). As floats: no range to leave.
EuclideanLsh::Code code_of(const float* projections, const float* offsets, std::int64_t count) {
  std::uint64_t code = 0x9E3779B97F4A7C15u;
  for (std::int64_t i = 0; i < count; ++i) {
    const float whole = std::floor(projections[i] + offsets[i]) + 0.0f;  // -0 becomes 0
    if (!std::isfinite(whole)) return kNowhere;
    code = mix(code + std::bit_cast<std::uint32_t>(whole));
  }
  return std::max<std::uint64_t>(code, 1);
}

std::int64_t padded(std::int64_t columns) {
  const std::int64_t panel = kernels::blocking().panel;
  return (columns + panel - 1) / panel * panel;
}

// Ids by code, ascending inside each.
std::vector<std::int32_t> sort_by_code(const std::vector<EuclideanLsh::Code>& codes) {
  std::vector<std::uint32_t> high;
  high.reserve(codes.size());
  for (const EuclideanLsh::Code code : codes)
    high.push_back(static_cast<std::uint32_t>(code >> 32));
  const Scratch<std::int32_t> sorted = sort_by_bucket(high, 0);
  std::vector<std::int32_t> order(sorted.data(), sorted.data() + sorted.size());
  const auto half_of = [&](std::int32_t i) { return high[static_cast<std::size_t>(i)]; };
  const auto less = [&](std::int32_t i, std::int32_t j) {
    return codes[static_cast<std::size_t>(i)] < codes[static_cast<std::size_t>(j)];
  };
  for (auto begin = order.begin(); begin != order.end();) {  // equal halves: most often one bucket
    const auto end = std::find_if(begin, order.end(),
                                  [&](std::int32_t i) { return half_of(i) != half_of(*begin); });
    if (!std::is_sorted(begin, end, less)) std::stable_sort(begin, end, less);
    begin = end;
  }
  return order;
}

}  // namespace

EuclideanLsh::EuclideanLsh(const float* points, std::int64_t n, std::int64_t dim,
                           const EuclideanHash& how, const Rng& rng, int threads)
    : how_(how), dim_(dim), tables_(0) {
  check_hash(how);
  set_center(points, n);
  draw_functions(rng);
  tables_.resize(static_cast<std::size_t>(how.tables));
  parallel_for(threads, how.tables, [&](std::int64_t t) {
    tables_[static_cast<std::size_t>(t)] = make_table(t, points, n);
  });
}

void EuclideanLsh::set_center(const float* points, std::int64_t n) {
  std::vector<double> sum(static_cast<std::size_t>(dim_));
  double finite = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* x = points + i * dim_;
    if (!std::all_of(x, x + dim_, [](float c) { return std::isfinite(c); })) continue;
    finite += 1;
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += x[c];
  }
  for (const double s : sum) center_.push_back(static_cast<float>(s / std::max(finite, 1.0)));
}

void EuclideanLsh::draw_functions(const Rng& rng) {
  const std::int64_t k = how_.concatenation, panel = kernels::blocking().panel;
  panel_stride_ = panel * dim_;
  functions_ = Scratch<float>(how_.tables * padded(k) * dim_);
  std::vector<float> rows(static_cast<std::size_t>(k * dim_));
  for (std::int64_t t = 0; t < how_.tables; ++t) {
    for (std::int64_t f = 0; f < k; ++f) {
      const auto row = static_cast<std::uint32_t>(t * k + f);
      for (std::int64_t c = 0; c < dim_; ++c)
        rows[static_cast<std::size_t>(f * dim_ + c)] = static_cast<float>(
            double{rng.normal(Purpose::euclidean_hash, row, static_cast<std::uint32_t>(c))} /
            how_.width);
      offsets_.push_back(
          static_cast<float>(rng.below(std::int64_t{1} << 24, Purpose::euclidean_hash, row,
                                       static_cast<std::uint32_t>(dim_))) *
          0x1p-24f);
    }
    kernels::pack_transposed({rows.data(), DType::f32, dim_, dim_, nullptr, 0, k},
                             functions_.data() + t * padded(k) * dim_);
  }
}

void EuclideanLsh::hash(std::int64_t table, const float* queries, std::int64_t count,
                        Code* codes) const {
  const std::int64_t k = how_.concatenation, columns = padded(k);
  const float* functions = functions_.data() + table * columns * dim_;
  Scratch<float> rows(std::min(kChunk, count) * dim_);
  Scratch<float> projections(std::min(kChunk, count) * columns);
  for (std::int64_t begin = 0; begin < count; begin += kChunk) {
    const std::int64_t part = std::min(kChunk, count - begin);
    for (std::int64_t i = 0; i < part; ++i)
      std::transform(queries + (begin + i) * dim_, queries + (begin + i + 1) * dim_,
                     center_.begin(), rows.data() + i * dim_, std::minus<>());
    kernels::gemm({rows.data(), dim_, 1}, {functions, panel_stride_, kernels::blocking().panel},
                  part, k, dim_, projections.data(), columns, false);
    for (std::int64_t i = 0; i < part; ++i)
      codes[begin + i] = code_of(projections.data() + i * columns, offsets_.data() + table * k, k);
  }
}

EuclideanLsh::Table EuclideanLsh::make_table(std::int64_t table, const float* points,
                                             std::int64_t n) const {
  std::vector<Code> codes(static_cast<std::size_t>(n));
  hash(table, points, n, codes.data());
  const std::vector<std::int32_t> order = sort_by_code(codes);
  const auto first = std::find_if(order.begin(), order.end(), [&](std::int32_t i) {
    return codes[static_cast<std::size_t>(i)] != kNowhere;
  });
  Table made;
  made.ids = Scratch<std::int32_t>(order.end() - first);
  std::copy(first, order.end(), made.ids.data());
  for (std::int64_t i = 0; i < made.ids.size(); ++i) {
    const Code code = codes[static_cast<std::size_t>(made.ids[i])];
    if (made.codes.empty() || made.codes.back() != code) {
      made.codes.push_back(code);
      made.end.push_back(0);
    }
    made.end.back() = static_cast<std::int32_t>(i + 1);
  }
  made.codes.shrink_to_fit();
  made.end.shrink_to_fit();
  return made;
}

std::span<const std::int32_t> EuclideanLsh::bucket(std::int64_t table, const float* query) const {
  Code code = kNowhere;
  hash(table, query, 1, &code);
  return bucket_of(table, code);
}

std::span<const std::int32_t> EuclideanLsh::bucket_of(std::int64_t table, Code code) const {
  const Table& t = tables_[static_cast<std::size_t>(table)];
  const auto found = std::lower_bound(t.codes.begin(), t.codes.end(), code);
  if (code == kNowhere || found == t.codes.end() || *found != code) return {};
  const auto b = static_cast<std::size_t>(found - t.codes.begin());
  const auto begin = static_cast<std::size_t>(b == 0 ? 0 : t.end[b - 1]);
  return t.ids.span().subspan(begin, static_cast<std::size_t>(t.end[b]) - begin);
}

double EuclideanLsh::collision_probability(double distance, double width,
                                           std::int64_t concatenation) {
  if (!(distance > 0)) return 1;
  const double r = width / distance;  // Datar et al., section 3.2
  const double one = std::erf(r / std::numbers::sqrt2) +
                     std::sqrt(2 / std::numbers::pi) / r * std::expm1(-r * r / 2);
  return std::pow(std::clamp(one, 0.0, 1.0), static_cast<double>(concatenation));
}

}  // namespace subquad
