#include "kernels/multipole.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/multipole.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

void SetQuadraticTerms(const QuadraticTerms& terms, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < terms.span; j += lanes) {
    V sum = hn::Mul(hn::LoadU(d, terms.even + j), hn::Set(d, terms.length2));
    for (int64_t a = 0; a < terms.rank; ++a) {
      const V product = hn::LoadU(d, terms.products + a * terms.span + j);
      sum = hn::MulAdd(product, product, sum);
    }
    const V cap = hn::Mul(hn::LoadU(d, terms.radius + j), hn::Set(d, terms.length));
    hn::StoreU(hn::Min(sum, cap), d, out + j);
  }
}

void WeighProducts(const float* weights, int64_t span, int64_t rank, float* products) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < span; j += lanes) {
    const V weight = hn::LoadU(d, weights + j);
    for (int64_t a = 0; a < rank; ++a) {
      float* product = products + a * span + j;
      hn::StoreU(hn::Mul(hn::LoadU(d, product), weight), d, product);
    }
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(SetQuadraticTerms);
HWY_EXPORT(WeighProducts);

void set_quadratic_terms(const QuadraticTerms& terms, float* out) {
  HWY_DYNAMIC_DISPATCH(SetQuadraticTerms)(terms, out);
}

void weigh_products(const float* weights, std::int64_t span, std::int64_t rank, float* products) {
  HWY_DYNAMIC_DISPATCH(WeighProducts)(weights, span, rank, products);
}

}  // namespace subquad::kernels
#endif
