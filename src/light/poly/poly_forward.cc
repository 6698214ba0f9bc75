#include "light/poly/poly_forward.h"

#include <algorithm>
#include <limits>

#include "kernels/gemm.h"
#include "kernels/stream.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;  // at a time

}  // namespace

PolyForward::PolyForward(const PolyModel& model)
    : model_(model),
      layout_(model.layout),
      dim_(model.head.head_dim()),
      channels_(kRows * dim_ + kernels::kMonomialSlack),
      factors_(kRows * (layout_.degree() + 1)),
      chain_(kRows * layout_.chain_stride()),
      features_(kRows * layout_.panel_stride()) {}

void PolyForward::sum(const RowBlock& rows, const Partial& out) {
  set_identity(out);
  const IndexList& listed = rows.rows();
  for (std::int64_t begin = 0; begin < listed.count;) {
    const std::int64_t chunk = model_.held.chunk_of(listed[begin]);
    std::int64_t end = begin + 1;
    while (end < listed.count && end - begin < kRows && model_.held.chunk_of(listed[end]) == chunk)
      ++end;
    const Partial part = out.slice(begin, end - begin);
    load_rows(rows, {begin, end}, part);
    for (const MonomialPanel& panel : layout_.panels()) multiply(panel, chunk, part);
    begin = end;
  }
}

// Rows that the model holds nothing for, or gives up, are zero and keep the identity.
void PolyForward::load_rows(const RowBlock& rows, const Range& part, const Partial& out) {
  const std::int64_t step = layout_.degree() + 1;
  for (std::int64_t i = 0; i < out.rows; ++i) {
    model_.load_row(rows.rows()[part.begin + i], rows.query(part.begin + i),
                    channels_.data() + i * dim_, factors_.data() + i * step, out.m[i]);
  }
  layout_.fill_chain(channels_.data(), dim_, out.rows, chain_.data());
}

void PolyForward::multiply(const MonomialPanel& panel, std::int64_t chunk, const Partial& out) {
  const std::int64_t stride = layout_.panel_stride(), sums_stride = model_.sums.stride();
  kernels::expand_monomials(panel.segments,
                            {channels_.data(), dim_, chain_.data(), layout_.chain_stride(),
                             factors_.data(), layout_.degree() + 1, out.rows},
                            features_.data(), stride, panel.count, nullptr);
  kernels::gemm({features_.data(), stride, 1},
                {model_.sums.products(chunk) + panel.begin * sums_stride, kernels::blocking().panel,
                 sums_stride},
                out.rows, out.value_dim, panel.count, out.o, out.o_stride, true);
  float weights[kRows];
  kernels::stream_scores(model_.sums.counts(chunk) + panel.begin, 1,
                         dense_rows(features_.data(), panel.count, stride, out.rows), weights,
                         out.rows);
  for (std::int64_t i = 0; i < out.rows; ++i) out.l[i] += weights[i];
}

}  // namespace subquad
