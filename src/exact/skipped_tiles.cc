#include "exact/skipped_tiles.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace subquad {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();
constexpr double kSlack = 1.001;  // sums of the bound are in f32
// What f32 itself rounds off a weight, as a multiple of 8 and the size of the largest base-2 logit.
constexpr double kRounding = 0x1p-21;

void raise_to(double& number, double value) {
  const std::atomic_ref<double> shared(number);
  double old = shared.load(std::memory_order_relaxed);
  while (value > old && !shared.compare_exchange_weak(old, value, std::memory_order_relaxed)) {
  }
}

double norm_of(const Partial& sums, std::int64_t i) {
  double square = 0;
  for (std::int64_t c = 0; c < sums.value_dim; ++c) {
    const double o = sums.o[i * sums.o_stride + c];
    square += o * o;
  }
  return std::sqrt(square);
}

}  // namespace

SkippedTiles::SkippedTiles(std::span<const HeadProblem> heads, const ExactPrecision& precision,
                           std::int64_t splits)
    : heads_(heads), precision_(precision), splits_(static_cast<double>(splits)) {
  for (const HeadProblem& head : heads) {
    dropped_.emplace_back(static_cast<std::size_t>(head.num_rows()), Dropped{kNone, kNone});
    errors_.emplace_back(head);
  }
}

void SkippedTiles::add(const RowItem& item, const TileSkips& skips) {
  std::vector<Dropped>& dropped = dropped_[place_of(item)];
  for (std::int64_t i = 0; i < item.rows.count; ++i) {
    Dropped& row = dropped[static_cast<std::size_t>(item.rows[i])];
    raise_to(row.weight_log2, skips.weight_log2(i));
    raise_to(row.value_log2, skips.value_log2(i));
  }
}

void SkippedTiles::count(std::int64_t entries, std::int64_t skipped) {
  entries_ += entries;
  skipped_ += skipped;
}

RowError SkippedTiles::error_of(const RowItem& item, std::int64_t i, const Partial& sums) const {
  const Dropped& row = dropped_[place_of(item)][static_cast<std::size_t>(item.rows[i])];
  if (row.weight_log2 == kNone) return {};
  const double m = sums.m[i], l = sums.l[i];
  const double weight = splits_ * std::exp2(row.weight_log2 - m) / l;
  const double value = splits_ * std::exp2(row.value_log2 - m) / l;
  const double out = norm_of(sums, i) / l;
  if (!std::isfinite(out)) return {};  // NaN of the inputs, or computed again in double
  const double size = out + std::exp2(row.value_log2 - row.weight_log2);
  const double rounding = kRounding * (8 + std::abs(m)) * size;
  return {1.0f, static_cast<float>(kSlack * (weight * out + value) + rounding)};
}

void SkippedTiles::set_error(const RowItem& item, std::int64_t i, const RowError& error) {
  errors_[place_of(item)].set(item.rows[i], error);
}

ErrorTotals SkippedTiles::totals(const Outputs& outputs) const {
  ErrorTotals total;
  for (const RowErrors& head : errors_) total.add(head.totals(outputs));
  return total;
}

std::string SkippedTiles::path() const {
  const double share = static_cast<double>(skipped_) / static_cast<double>(entries_);
  return fmt::format("skipped {:.0f} % of tiles{}", entries_ > 0 ? 100 * share : 0,
                     precision_.strict_skip ? "" : ":published");
}

}  // namespace subquad
