#include "light/poly/monomials.h"

#include <algorithm>

#include "core/round_up.h"

namespace subquad {
namespace {

constexpr std::int64_t kPanelFloats = 1 << 15;  // of sums, in the second-level cache

}  // namespace

double count_monomials(std::int64_t dim, std::int64_t degree) {
  double count = 1;
  for (std::int64_t m = 1; m <= degree; ++m)
    count = count * static_cast<double>(dim + m) / static_cast<double>(m);
  return count;
}

MonomialLayout::MonomialLayout(std::int64_t dim, std::int64_t degree, std::int64_t width)
    : dim_(dim),
      degree_(degree),
      panel_(std::clamp<std::int64_t>(kPanelFloats / round_up(width, 32), 512, 1024)) {
  for (std::int64_t m = 2; m < degree_; ++m)
    for (const kernels::MonomialSegment& segment : segments_of(m))
      chain_segments_.push_back(segment);
  set_weights();
  cut_panels();
}

std::int64_t MonomialLayout::first_of(std::int64_t degree) const {
  return degree == 0 ? 0 : static_cast<std::int64_t>(count_monomials(dim_, degree - 1));
}

// Of degree m, by leading channel. In channels [i, D) there are C(D - i + m - 2, m - 1) of degree
// m - 1: the last ones.
std::vector<kernels::MonomialSegment> MonomialLayout::segments_of(std::int64_t degree) const {
  std::vector<kernels::MonomialSegment> segments;
  std::int64_t to = first_of(degree);
  for (std::int64_t i = 0; i < dim_; ++i) {
    const auto count = static_cast<std::int64_t>(count_monomials(dim_ - i - 1, degree - 1));
    segments.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(degree),
                        first_of(degree) - count, to, count});
    to += count;
  }
  return segments;
}

// m! / prod e_i!: that of the monomial without its leading channel, times m / e.
void MonomialLayout::set_weights() {
  struct Lead {
    std::int64_t channel, exponent;
  };
  const auto count = static_cast<std::size_t>(count_monomials(dim_, degree_));
  std::vector<double> weights{1};
  std::vector<Lead> leads{{-1, 0}};
  weights.reserve(count);
  leads.reserve(count);
  for (std::int64_t m = 1; m <= degree_; ++m)
    for (const kernels::MonomialSegment& segment : segments_of(m))
      for (std::int64_t n = segment.from; n < segment.from + segment.count; ++n) {
        const auto at = static_cast<std::size_t>(n);
        const std::int64_t e = leads[at].channel == segment.lead ? leads[at].exponent + 1 : 1;
        weights.push_back(weights[at] * static_cast<double>(m) / static_cast<double>(e));
        leads.push_back({segment.lead, e});
      }
  weights_.assign(weights.begin(), weights.end());
}

// Features below the degree are the chain's, those of it one multiplication away.
void MonomialLayout::cut_panels() {
  std::vector<kernels::MonomialSegment> all;
  for (std::int64_t m = 0; m < degree_; ++m)
    all.push_back({-1, static_cast<std::int32_t>(m), first_of(m), first_of(m),
                   first_of(m + 1) - first_of(m)});
  for (const kernels::MonomialSegment& segment : segments_of(degree_)) all.push_back(segment);
  for (kernels::MonomialSegment rest : all)
    while (rest.count > 0) {
      if (panels_.empty() || panels_.back().count == panel_) panels_.push_back({rest.to, 0, {}});
      MonomialPanel& panel = panels_.back();
      const std::int64_t take = std::min(rest.count, panel_ - panel.count);
      panel.segments.push_back({rest.lead, rest.degree, rest.from, panel.count, take});
      panel.count += take;
      rest = {rest.lead, rest.degree, rest.from + take, rest.to + take, rest.count - take};
    }
}

std::int64_t MonomialLayout::panel_stride() const {
  return round_up(std::min(panel_, count()), 32) + 2 * kernels::kMonomialSlack;
}

std::int64_t MonomialLayout::chain_stride() const {
  return round_up(first_of(degree_), 32) + 2 * kernels::kMonomialSlack;
}

void MonomialLayout::fill_chain(const float* channels, std::int64_t stride, std::int64_t rows,
                                float* chain) const {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = chain + r * chain_stride();
    std::fill_n(row, chain_stride(), 0.0f);
    row[0] = 1.0f;
    if (degree_ > 1) std::copy_n(channels + r * stride, dim_, row + 1);
  }
  if (degree_ > 2)
    kernels::expand_monomials(chain_segments_,
                              {channels, stride, chain, chain_stride(), nullptr, 0, rows}, chain,
                              chain_stride(), 0, nullptr);
}

void MonomialLayout::reduce_chain(const kernels::MonomialRows& rows, float* grad_chain,
                                  float* grad_channels, std::int64_t grad_stride) const {
  kernels::MonomialRows plain = rows;
  plain.factors = nullptr;
  kernels::reduce_monomials(chain_segments_, plain, grad_chain, chain_stride(), grad_chain,
                            grad_channels, grad_stride);
  for (std::int64_t r = 0; degree_ > 1 && r < rows.count; ++r)
    for (std::int64_t c = 0; c < dim_; ++c)
      grad_channels[r * grad_stride + c] += grad_chain[r * chain_stride() + 1 + c];
}

}  // namespace subquad
