#include "far/clusters/far_field.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/round_up.h"
#include "kernels/pack.h"
#include "rows/cancelled_rows.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

kernels::RowSource dense_rows(const float* rows, std::int64_t width, std::int64_t count,
                              const std::int32_t* ids = nullptr) {
  return {rows, DType::f32, width, width, ids, 0, count};
}

}  // namespace

FarCoefficients::FarCoefficients(const float* rows, std::int64_t width, std::int64_t count,
                                 const std::int32_t* ids)
    : width_(width), panel_(kernels::blocking().panel), panel_stride_(panel_ * count) {
  packed_ = Scratch<float>(round_up(width, panel_) / panel_ * panel_stride_);
  kernels::pack_rows(dense_rows(rows, width, count, ids), packed_.data(), panel_stride_);
}

FarScratch::FarScratch(std::int64_t clusters, std::int64_t value_dim)
    // One cache line of padding keeps the rows out of each other's cache sets.
    : stride(round_up(clusters, 32) + 16),
      scores(FarField::kRows * stride),
      sums(FarField::kRows, value_dim + 1) {}

FarField::FarField(std::vector<float> means, std::int64_t head_dim, std::int64_t value_dim,
                   std::shared_ptr<const ClusterShape> shape)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      size_(static_cast<std::int64_t>(means.size()) / head_dim),
      means_(std::move(means)),
      packed_means_(round_up(size_, kernels::blocking().panel) * head_dim),
      shape_(std::move(shape)) {
  panel_stride_ =
      kernels::pack_transposed(dense_rows(means_.data(), head_dim, size_), packed_means_.data());
}

void FarField::score(const float* queries, std::int64_t rows, float* scores, std::int64_t stride,
                     ClusterShape::Workspace& workspace) const {
  kernels::gemm({queries, head_dim_, 1},
                {packed_means_.data(), panel_stride_, kernels::blocking().panel}, rows, size_,
                head_dim_, scores, stride, false);
  if (shape_ != nullptr) shape_->add_quadratic(queries, rows, scores, stride, workspace);
}

void FarField::add_to(const float* queries, const Partial& sums,
                      const FarCoefficients& coefficients, FarScratch& scratch,
                      const float* slopes) const {
  add_rows(queries, sums, coefficients, nullptr, slopes, 1, scratch);
}

void FarField::complete(const float* queries, const Partial& sums,
                        const FarCoefficients& coefficients, FarScratch& scratch) const {
  constexpr float kLeastLeft = 1e-3f;
  const CancelledRows cancelled(sums);
  add_to(queries, sums, coefficients, scratch);
  cancelled.reject(sums, kLeastLeft);
}

void FarField::subtract_clusters(const float* queries, const Partial& sums,
                                 const std::vector<std::int32_t>& chosen,
                                 const float* prior) const {
  const auto count = static_cast<std::int64_t>(chosen.size());
  if (count == 0) return;
  if (shape_ == nullptr) {
    std::vector<float> means;
    for (const std::int32_t c : chosen)
      means.insert(means.end(), means_.begin() + c * head_dim_,
                   means_.begin() + (c + 1) * head_dim_);
    const FarField part(std::move(means), head_dim_, value_dim_, nullptr);
    FarScratch scratch(count, value_dim_);
    part.add_rows(queries, sums, {prior, value_dim_ + 1, count, chosen.data()}, nullptr, nullptr,
                  -1, scratch);
    return;
  }
  std::vector<std::uint8_t> skip(static_cast<std::size_t>(size_), 1);
  for (const std::int32_t c : chosen) skip[static_cast<std::size_t>(c)] = 0;
  FarScratch scratch(size_, value_dim_);
  add_rows(queries, sums, {prior, value_dim_ + 1, size_}, skip.data(), nullptr, -1, scratch);
}

// sums += sign * the clusters' terms, less those that `skip` marks (nullptr: none).
void FarField::add_rows(const float* queries, const Partial& sums,
                        const FarCoefficients& coefficients, const std::uint8_t* skip,
                        const float* slopes, float sign, FarScratch& s) const {
  for (std::int64_t begin = 0; begin < sums.rows; begin += kRows) {
    const std::int64_t count = std::min(kRows, sums.rows - begin);
    const float* q = queries + begin * head_dim_;
    const Partial far = s.sums.view(count);
    score(q, count, s.scores.data(), s.stride, s.shape);
    for (std::int64_t c = 0; skip != nullptr && c < size_; ++c)
      for (std::int64_t r = 0; skip[c] != 0 && r < count; ++r)
        s.scores[r * s.stride + c] = -std::numeric_limits<float>::infinity();
    set_identity(far);
    kernels::softmax_update(s.scores.data(), s.stride, count, size_,
                            {far.m, far.l, far.o, far.o_stride, far.value_dim});
    kernels::gemm({s.scores.data(), s.stride, 1}, coefficients.matrix(), count, far.value_dim,
                  size_, far.o, far.o_stride, true);
    for (std::int64_t r = 0; shape_ != nullptr && slopes != nullptr && r < count; ++r)
      for (std::int64_t c = 0; c < size_; ++c) s.scores[r * s.stride + c] *= slopes[c];
    if (shape_ != nullptr)
      shape_->add_dipole(q, count, s.scores.data(), s.stride, skip, far.o, far.o_stride, s.shape);
    merge_signed(sums.slice(begin, count), far, sign);
  }
}

}  // namespace subquad
