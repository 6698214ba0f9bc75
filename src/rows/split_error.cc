#include "rows/split_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/round_up.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/split_rows.h"

namespace subquad {
namespace {

constexpr double kUnit = 0x1p-24;         // of f32 rounding
constexpr double kInProduct = 18;         // roundings within a product of tiles
constexpr double kNormRounding = 1.0001;  // of f32 norms
constexpr double kExp2Error = 0x1p-22;
constexpr double kNaturalLog2 = 0.6931471805599453;
constexpr float kTiniest = 0x1p-100f;  // denormals that tiles take for 0, of 2^16 keys

// Four times the standard deviation, at most, of so many roundings in a sum.
double rounding_of(double count) { return 4 * kUnit * std::sqrt(count); }

int products_of(int left, int right, int order) {
  return kernels::piece_products(left, right, order).count;
}

}  // namespace

float RowError::absolute() const { return value > 0 ? relative * value + kTiniest : 0.0f; }

void SplitError::load(const HeadProblem& head, const SplitOrder& order, std::int64_t rows) {
  const Problem& problem = *head.problem;
  const auto pieces = [&](DType type) { return pieces_of(type, order.order); };
  const double keys = std::max<double>(1, static_cast<double>(head.num_keys));
  const double depth = static_cast<double>(kernels::tiles_along(head.head_dim()));
  order_ = order.order;
  scale_ = std::abs(double{head.scale_log2}) * kNaturalLog2;
  score_rounding_ =
      rounding_of(kInProduct + depth * products_of(pieces(problem.query.dtype),
                                                   pieces(problem.key.dtype), order_));
  weight_error_ = (order_ == 1 ? 0x1p-16 : 0.0) + kExp2Error +
                  (2 * std::log2(keys) + 10) * kNaturalLog2 * kUnit;
  const int value_pieces = pieces(problem.value.dtype);
  value_error_ = (value_pieces == 1 ? 0.0
                  : order_ == 1     ? 0x1p-15
                                    : 0x1p-23) +
                 rounding_of(kInProduct + keys / kernels::kTileDepth *
                                              products_of(order_ + 1, value_pieces, order_));
  const auto padded = static_cast<std::size_t>(round_up(rows, kernels::kPanelRows));
  queries_.assign(padded, {});
  for (auto& tops : row_tops_) tops.assign(padded, 0);
  for (auto& tops : panel_tops_) tops.assign(padded / kernels::kPanelRows, 0);
}

void SplitError::set_query(std::int64_t row, const PieceNorms& norms) {
  queries_[static_cast<std::size_t>(row)] = norms;
}

void SplitError::meet(std::int64_t panel, const StepNorms& step) {
  for (int kind = 0; kind < kNormKinds; ++kind) {
    float& top = panel_tops_[kind][static_cast<std::size_t>(panel)];
    top = std::max(top, step.tops[kind]);
  }
}

void SplitError::meet_seen(std::int64_t panel, const StepNorms& step, const float* scores) {
  for (int kind = 0; kind < kNormKinds; ++kind)
    kernels::seen_tops(scores, step.of[kind],
                       &row_tops_[kind][static_cast<std::size_t>(panel * kernels::kPanelRows)]);
}

float SplitError::top(NormKind kind, std::int64_t row) const {
  const auto i = static_cast<std::size_t>(row);
  return std::max(row_tops_[kind][i], panel_tops_[kind][i / kernels::kPanelRows]);
}

RowError SplitError::of(std::int64_t row) const {
  const PieceNorms& norms = queries_[static_cast<std::size_t>(row)];
  const double q = double{norms.whole}, q_mid = double{norms.mid}, q_rest = double{norms.rest};
  const double k = double{top(kKeyNorm, row)}, k_mid = double{top(kKeyMid, row)},
               k_rest = double{top(kKeyRest, row)};
  const double left_out = order_ == 1 ? q_mid * k_mid + q_rest * k + q * k_rest
                                      : q_mid * k_rest + q_rest * k_mid + q_rest * k_rest;
  const double score = scale_ * kNormRounding * (left_out + score_rounding_ * q * k);
  const double weight = std::expm1(score) + std::exp(score) * weight_error_;
  const double relative = weight < 1 ? (weight + (1 + weight) * value_error_) / (1 - weight)
                                     : std::numeric_limits<double>::infinity();
  return {static_cast<float>(relative), top(kValueNorm, row)};
}

float least_split_error(HeadProblem head, int order) {
  head.num_keys = 1;  // whatever the lengths of the other sequences
  SplitError error;
  error.load(head, {order, 0}, 1);
  return error.of(0).relative;
}

}  // namespace subquad
